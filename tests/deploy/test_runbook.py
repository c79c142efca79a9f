"""The runbook: what it names exists, and nothing is missing that an operator must know."""

import re
from pathlib import Path

import pytest

from bot.adapters.metrics import PrometheusMetrics
from bot.core.errors import all_codes
from bot.settings import Settings, load
from tests.deploy.files import (
    DEPLOY,
    KEYS,
    ROOT,
    commands_named,
    known_commands,
    known_variables,
    read,
    settings_named,
    variables,
)

RUNBOOK = read("README.md")
SECURITY = read("SECURITY.md")
BOTH = pytest.mark.parametrize("text", [RUNBOOK, SECURITY], ids=["runbook", "security"])

TOPICS = [
    "Install on a bare server",
    "Upgrade",
    "Back up and restore the ledger",
    "The ledger on a PostgreSQL server",
    "Several machines",
    "Rotate key and token",
    "Move to another host",
    "Change the link mode",
    "A domain of your own",
    "On an ECS instance in the bucket's region",
    "Behind a proxy",
    "What it costs",
    "Troubleshooting by error code",
]


def test_topics() -> None:
    """Every topic has its chapter."""
    chapters = re.findall(r"(?m)^## (.+)$", RUNBOOK)

    assert set(TOPICS) <= set(chapters)


def test_error_codes() -> None:
    """Every error code has its remedy, and there are no other codes."""
    table = RUNBOOK.partition("## Troubleshooting by error code")[2]
    told = re.findall(r"`([a-z_]+)`", "\n".join(re.findall(r"(?m)^\| (`.*?) \|", table)))

    assert sorted(all_codes()) == sorted(told)


@BOTH
def test_settings(text: str) -> None:
    """Every setting and variable that is named exists."""
    files = {"settings.toml", "settings.example", "relay.sqlite3"}

    assert settings_named(text) - files <= KEYS
    assert variables(text) <= known_variables()


@BOTH
def test_commands(text: str) -> None:
    """Every command that is named exists, with the options that are named."""
    known = known_commands()
    named = commands_named(text)

    assert {command for command, _ in named} <= set(known)
    assert all(set(options) <= known[command] for command, options in named)


@BOTH
def test_links(text: str) -> None:
    """Every file that is linked exists."""
    base = DEPLOY if text is RUNBOOK else ROOT
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]

    assert links
    assert [link for link in links if not (base / link.partition("#")[0]).exists()] == []


def test_settings_of_a_bare_server(tmp_path: Path) -> None:
    """The commands of the runbook change the lines that they mean to, and give absolute paths; a
    worker beside the bot has a spool and a port of its own.
    """
    commands = re.findall(r"-e 's\|(\^[^|]+)\|([^|]+)\|'", RUNBOOK)
    text = _changed(read("settings.example.toml"), commands[:3])
    settings = _loaded(text, tmp_path)
    worker = _loaded(_changed(text, commands[3:]), tmp_path)

    assert len(commands) == 5
    assert settings.ledger.path == Path("/var/lib/relay-bot/relay.sqlite3")
    assert settings.spool.folder == Path("/var/lib/relay-bot/spool")
    assert settings.web.port == 8080
    assert worker.spool.folder == Path("/var/lib/relay-bot/spool-left")
    assert worker.web.port == 8081
    assert worker.worker_name != settings.worker_name


def test_copies_of_settings_are_private() -> None:
    """A file that gets secrets has its mode before it gets them."""
    copied = re.findall(r"(?m)^sed .* >(\S+)$", RUNBOOK)

    assert copied
    for file in copied:
        made = RUNBOOK.index(f"install -m 0640 -g relay-bot /dev/null {file}\n")
        assert made < RUNBOOK.index(f">{file}\n")


def test_url_of_the_ledger() -> None:
    """It goes where units and commands find it: into the settings. Neither has variables."""
    chapter = RUNBOOK.partition("## The ledger on a PostgreSQL server")[2].partition("\n## ")[0]
    step = re.search(r"(?ms)^2\. (.*?)^3\. ", chapter)

    assert step is not None
    assert step[1].index("`ledger.url`") < step[1].index("`RELAY_LEDGER__URL_FILE`")


def _changed(text: str, commands: list[tuple[str, str]]) -> str:
    for pattern, line in commands:
        text, changed = re.subn(pattern, line, text, flags=re.MULTILINE)
        assert changed == 1
    return text


def _loaded(text: str, folder: Path) -> Settings:
    file = folder / "settings.toml"
    file.write_text(text, encoding="utf-8")
    needed = {
        "RELAY_TELEGRAM__TOKEN": "1:AAAAAAAAAAAAAAAAAAAA",
        "RELAY_OSS__BUCKET": "bucket",
        "RELAY_OSS__ACCESS_KEY_ID": "id-of-key",
        "RELAY_OSS__ACCESS_KEY_SECRET": "secret",
    }
    return load(file, needed)


def test_metrics() -> None:
    """Every metric that is named is one of the program's."""
    page = PrometheusMetrics("1").page(None).decode()
    known = set(re.findall(r"(?m)^# TYPE (relay_\w+) ", page))
    named = set(re.findall(r"\brelay_[a-z_]+", RUNBOOK)) - all_codes()

    assert {name.removesuffix("_bucket") for name in named} <= known
