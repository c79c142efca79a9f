"""The unit: understood by systemd, hardened, and in step with the program."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bot.cli.common import BAD_SETTINGS
from bot.settings import load
from tests.deploy.files import commands_named, known_commands, known_variables, read, variables

UNIT = "relay-bot.service"
ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not here")


def values(key: str) -> list[str]:
    """Return what a key of the unit is set to, in order."""
    return re.findall(rf"(?m)^{key}=(.*)$", read(UNIT))


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
    """systemd has nothing to say against it, where the program is installed."""
    copy = tmp_path / UNIT
    text = read(UNIT).replace("/opt/relay-bot/bin/relay-bot", sys.executable)
    copy.write_text(text, encoding="utf-8")
    done = analyze("verify", copy)

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_waits_for_the_clock() -> None:
    """Expiry times are decided by a clock; the bot starts when the machine's has been set."""
    for key in ("After", "Wants"):
        assert "time-sync.target" in values(key)[0].split()


@needs_systemd
def test_hardened(tmp_path: Path) -> None:
    """Its exposure is at most 1.5 of 10, and the runbook tells the figure."""
    copy = tmp_path / UNIT
    copy.write_text(read(UNIT), encoding="utf-8")
    done = analyze("security", "--offline=true", "--threshold=15", copy)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)

    assert done.returncode == 0, done.stdout
    assert found is not None
    assert f"rates it {found[1]} of 10" in read("README.md")


def test_in_step_with_the_program() -> None:
    """It waits for READY, longer than the bot's grace, and does not repeat bad settings."""
    grace = load(None, _NEEDED).stop.grace

    assert values("Type") == ["notify"]
    assert values("RestartPreventExitStatus") == [str(BAD_SETTINGS)]
    assert values("TimeoutStopSec") == ["30s"]
    assert grace.total_seconds() + 5 < 30


def test_names_what_exists() -> None:
    """Commands, options and variables are those of the program."""
    known = known_commands()
    named = commands_named("\n".join(values("ExecStartPre") + values("ExecStart")))

    assert variables(read(UNIT)) <= known_variables()
    assert {command for command, _ in named} == {"run"}
    assert all(set(options) <= known[command] for command, options in named)


def test_writes_only_its_state() -> None:
    """Everything that the bot writes lies in the one folder that it may write."""
    (state,) = values("StateDirectory")
    paths = [v.partition("=")[2] for v in values("Environment") if "PATH" in v or "FOLDER" in v]

    assert len(paths) == 2
    assert all(path.startswith(f"/var/lib/{state}/") for path in paths)


_NEEDED = {
    "RELAY_TELEGRAM__TOKEN": "1:AAAAAAAAAAAAAAAAAAAA",
    "RELAY_OSS__BUCKET": "bucket",
    "RELAY_OSS__ACCESS_KEY_ID": "id-of-key",
    "RELAY_OSS__ACCESS_KEY_SECRET": "secret",
}
