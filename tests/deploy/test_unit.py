"""The units: understood by systemd, hardened, and in step with the program."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bot.cli.common import BAD_SETTINGS
from bot.core.ports.runs import Role
from bot.settings import load
from tests.deploy.files import DEPLOY, commands_named, known_commands, read, variables

UNIT = "relay-bot.service"
FRONT = "relay-bot-front.service"
WORKER = "relay-bot-worker@.service"
BOTS = pytest.mark.parametrize("name", [UNIT, FRONT, WORKER])
SERVICES = sorted(path.name for path in DEPLOY.glob("*.service"))
TIMERS = sorted(path.name for path in DEPLOY.glob("*.timer"))
EVERY = pytest.mark.parametrize("name", SERVICES)
ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not here")


def values(key: str, name: str = UNIT) -> list[str]:
    """Return what a key of a unit is set to, in order."""
    return re.findall(rf"(?m)^{key}=(.*)$", read(name))


def hardening(name: str) -> set[str]:
    """Return the lines of the last section of a service, but for comments."""
    text = read(name).partition("# What it does not need")[2].partition("[Install]")[0]
    return {line for line in text.splitlines()[1:] if line and not line.startswith("#")}


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Ask systemd."""
    return subprocess.run(
        [str(ANALYZE), "--no-pager", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )


@needs_systemd
def test_understood(tmp_path: Path) -> None:
    """systemd has nothing to say against them, where the programs are installed."""
    for name in (*SERVICES, *TIMERS):
        text = re.sub(r"(?m)^(ExecStart=)\S+", rf"\g<1>{sys.executable}", read(name))
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = analyze("verify", *sorted(tmp_path.iterdir()))

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@BOTS
def test_waits_for_the_clock(name: str) -> None:
    """Expiry times are decided by a clock; the bot starts when the machine's has been set."""
    for key in ("After", "Wants"):
        assert "time-sync.target" in values(key, name)[0].split()


@needs_systemd
@EVERY
def test_hardened(name: str, tmp_path: Path) -> None:
    """Its exposure is at most 1.5 of 10, and the runbook tells the figure."""
    copy = tmp_path / name
    copy.write_text(read(name), encoding="utf-8")
    done = analyze("security", "--offline=true", "--threshold=15", copy)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)

    assert done.returncode == 0, done.stdout
    assert found is not None
    assert f"rates it {found[1]} of 10" in read("README.md")


@BOTS
def test_in_step_with_the_program(name: str) -> None:
    """It waits for READY, longer than the bot's grace, and does not repeat bad settings."""
    grace = load(None, _NEEDED).stop.grace

    assert values("Type", name) == ["notify"]
    assert values("RestartPreventExitStatus", name) == [str(BAD_SETTINGS)]
    assert values("TimeoutStopSec", name) == ["30s"]
    assert values("TimeoutStartSec", name) == ["infinity"]
    assert grace.total_seconds() + 5 < 30


@EVERY
def test_equally_hardened(name: str) -> None:
    """No service may do more than the bot."""
    assert len(hardening(UNIT)) > 20
    assert hardening(name) == hardening(UNIT)


@BOTS
def test_bad_settings_stay_down(name: str) -> None:
    """Nothing runs before the bot whose exit code would not count."""
    assert values("ExecStartPre", name) == []
    assert values("Restart", name) == ["on-failure"]


@pytest.mark.parametrize(("name", "role"), [(FRONT, Role.FRONT), (WORKER, Role.WORKER)])
def test_roles(name: str, role: Role) -> None:
    """Each runs its role; workers of one machine have settings of their own, and so a spool."""
    (command,) = values("ExecStart", name)
    (file,) = re.findall(r"--settings (\S+)", command)

    assert f"run --role {role.value} " in command
    assert file in read("README.md").replace("worker-NAME", "worker-%i")
    assert ("%i" in file) == ("@" in name)


def test_front_and_whole_bot_exclude_each_other() -> None:
    """Both hold the right to run; systemd stops one before it starts the other."""
    assert values("Conflicts", FRONT) == [UNIT]


@EVERY
def test_names_what_exists(name: str) -> None:
    """Commands and options are those of the program. No variable stands for a setting, because a
    shell beside it would not have it.
    """
    known = known_commands()
    named = commands_named("\n".join(values("ExecStart", name)))
    runs = {UNIT: {"run"}, FRONT: {"run"}, WORKER: {"run"}, "telegram-bot-api.service": set()}
    expected = runs.get(name, {name.removesuffix(".service").removeprefix("relay-bot-")})

    assert variables(read(name)) == set()
    assert {command for command, _ in named} == expected
    assert all(set(options) <= known[command] for command, options in named)


@EVERY
def test_documented(name: str) -> None:
    """It names the runbook, at the place where the runbook puts it."""
    (place,) = re.findall(r"file://(/\S+)", values("Documentation", name)[0])

    assert f"install -D -m 0644 deploy/README.md {place}" in read("README.md")


@EVERY
def test_writes_only_its_state(name: str) -> None:
    """It writes in the folders that the runbook makes, and in no others."""
    state, user = values("StateDirectory", name), values("User", name)
    writable = {
        path.lstrip("-") for line in values("ReadWritePaths", name) for path in line.split()
    }

    assert user == ["relay-bot"]
    assert state == ["telegram-bot-api" if "telegram" in name else "relay-bot"]
    assert writable <= {"/var/lib/telegram-bot-api", "/var/backups/relay-bot"}
    assert all(path in read("README.md") for path in writable)


@pytest.mark.parametrize("name", TIMERS)
def test_timers(name: str) -> None:
    """A timer starts the service of its name, once a day, also after the machine was off."""
    assert name.replace(".timer", ".service") in SERVICES
    assert values("Persistent", name) == ["true"]
    assert values("WantedBy", name) == ["timers.target"]
    assert name in read("README.md")


def test_bot_api_server_is_private() -> None:
    """It listens on the loopback only, because the token is in every URL, and has no settings."""
    (command,) = values("ExecStart", "telegram-bot-api.service")

    assert "--http-ip-address=127.0.0.1" in command
    assert "--local" in command
    assert "/var/lib/telegram-bot-api" in command
    assert "-/etc/relay-bot" in values("InaccessiblePaths", "telegram-bot-api.service")[0].split()


_NEEDED = {
    "RELAY_TELEGRAM__TOKEN": "1:AAAAAAAAAAAAAAAAAAAA",
    "RELAY_OSS__BUCKET": "bucket",
    "RELAY_OSS__ACCESS_KEY_ID": "id-of-key",
    "RELAY_OSS__ACCESS_KEY_SECRET": "secret",
}
