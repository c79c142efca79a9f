"""The containers: valid by the schema of compose files, hardened, and of one mind."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.deploy.files import DEPLOY, commands_named, known_variables, read

CHECKER = Path(sys.executable).parent / "check-jsonschema"
BOTS = ["bot", "bot-local", "front", "worker"]


@pytest.fixture
def compose() -> dict[str, Any]:
    """The file, with anchors and merges resolved."""
    found: dict[str, Any] = YAML(typ="safe").load(read("compose.yaml"))
    return found


def test_schema() -> None:
    """The file is valid by the schema of the compose specification (which the checker brings)."""
    schema = ["--builtin-schema", "vendor.compose-spec"]
    command: list[str | Path] = [CHECKER, *schema, DEPLOY / "compose.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)

    assert done.returncode == 0, done.stdout + done.stderr


def test_profiles(compose: dict[str, Any]) -> None:
    """One bot runs in each profile, whole or in its roles, and nothing at all without one."""
    profiles = {name: service["profiles"] for name, service in compose["services"].items()}

    assert profiles == {
        "bot": ["cloud"],
        "bot-local": ["local"],
        "bot-api": ["local"],
        "front": ["cluster"],
        "worker": ["cluster"],
    }


@pytest.mark.parametrize("name", BOTS)
def test_hardened(compose: dict[str, Any], name: str) -> None:
    """The bot has neither root nor capabilities nor a file system to write to, and time to end."""
    service = compose["services"][name]

    assert service["user"] == "101:101"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["stop_grace_period"] == "30s"


@pytest.mark.parametrize("role", ["front", "worker"])
def test_roles(compose: dict[str, Any], role: str) -> None:
    """A service of a role runs it with the settings that all share, and shares no spool."""
    service = compose["services"][role]
    (call,) = commands_named("relay-bot " + " ".join(service["command"][:2]))

    assert call == ("run", ("--role",))
    assert service["command"][2:] == [role, "--settings", "/etc/relay-bot/settings.toml"]
    assert all(volume.startswith("./settings.toml:") for volume in service["volumes"])


def test_nothing_is_published(compose: dict[str, Any]) -> None:
    """No port is open to the outside; above all not that of the Bot API server, which has the
    token in its URLs.
    """
    assert not any("ports" in service for service in compose["services"].values())


def test_front_can_be_published() -> None:
    """What a front needs for pages or a webhook is there as comments, for this machine alone."""
    lines = re.findall(r"(?m)^    #(ports: .*|environment: .*)$", read("compose.yaml"))
    hint = YAML(typ="safe").load("\n".join(lines))

    assert hint["ports"] == ["127.0.0.1:8080:8080"]
    assert "RELAY_DEFAULT__WEB__PORT=8080" in read("Dockerfile")
    assert set(hint["environment"]) <= known_variables()
    assert hint["environment"]["RELAY_WEB__HOST"] == "0.0.0.0"  # noqa: S104 -- in a container.


def test_same_paths(compose: dict[str, Any]) -> None:
    """The bot sees the files of the server where the server says that they are."""
    bot, server = (compose["services"][name] for name in ("bot-local", "bot-api"))
    root = bot["environment"]["RELAY_DEFAULT__TELEGRAM__FILE_ROOT"]

    assert f"bot-api:{root}" in bot["volumes"]
    assert [f"bot-api:{root}"] == server["volumes"]


def test_restarts(compose: dict[str, Any]) -> None:
    """The bot is not restarted for bad settings, which its entry point makes exit code 0."""
    assert {compose["services"][name]["restart"] for name in BOTS} == {"on-failure"}
    assert compose["services"]["bot-api"]["restart"] == "unless-stopped"


def test_server_is_watched_and_exact(compose: dict[str, Any]) -> None:
    """The Bot API server is named by its version, has a health check, and the bot waits for it."""
    server, bot = compose["services"]["bot-api"], compose["services"]["bot-local"]

    assert re.fullmatch(
        r"aiogram/telegram-bot-api:[0-9]+\.[0-9]+(@sha256:[0-9a-f]{64})?", server["image"]
    )
    assert "127.0.0.1:8081" in server["healthcheck"]["test"][1]
    assert bot["depends_on"] == {"bot-api": {"condition": "service_healthy"}}


def test_volumes_and_files(compose: dict[str, Any]) -> None:
    """Every volume is declared; every path of the build exists; the settings are
    beside the file.
    """
    named: set[str] = set()
    bound: set[str] = set()
    for service in compose["services"].values():
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            (bound if source.startswith(".") else named).add(source)
    build = compose["services"]["bot"]["build"]

    assert set(compose["volumes"]) == named
    assert {"./settings.toml"} == bound
    assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()


def test_variables(compose: dict[str, Any]) -> None:
    """Every variable is one that the bot reads, and loses to the settings file."""
    named = set(compose["services"]["bot-local"]["environment"])

    assert named <= known_variables()
    assert all(name.startswith("RELAY_DEFAULT__") for name in named)
