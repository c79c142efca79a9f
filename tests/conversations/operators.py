"""An operator at a shell: `relay-bot` as a process of its own, beside stand-ins in the test."""

import asyncio
import json
import os
import pty
import sys
import termios
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.demo.local_stack import LocalStack
from tests.kill.forked import begin

ROOT = Path(__file__).parents[2]
PATIENCE = 50.0
"""Real seconds that a command may take."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as one JSON value."""
        return json.loads(self.out)


def environment(stage: LocalStack, *users: int) -> dict[str, str]:
    """The variables of an operator's shell."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
    return own | {"PYTHONPATH": str(ROOT), "COLUMNS": "160"} | stage.variables(*users)


async def start(
    stage: LocalStack, *words: str, stdin: int = asyncio.subprocess.DEVNULL, **more: Any
) -> asyncio.subprocess.Process:
    """Start a command in the folder of the stage."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        *words,
        cwd=stage.folder,
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
        **{"env": environment(stage), "stderr": asyncio.subprocess.PIPE, **more},
    )


async def run(stage: LocalStack, *words: str, typed: bytes = b"") -> Ended:
    """Run a command to its end, in a copy of a process; `typed` is what comes through a pipe."""
    process = await begin(words, environment(stage), stage.folder, typed=typed)
    try:
        async with asyncio.timeout(PATIENCE):
            out, err = await asyncio.gather(process.stdout.read(), process.stderr.read())
            code = await process.wait()
    except TimeoutError:
        process.kill()
        raise
    return Ended(code, out.decode(), err.decode())


async def end(process: asyncio.subprocess.Process) -> Ended:
    """Wait for the end of a command, and kill it if there is none."""
    try:
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    except TimeoutError:
        process.kill()
        raise
    return Ended(process.returncode or 0, out.decode(), (err or b"").decode())


async def talk(
    stage: LocalStack, words: Sequence[str], dialogue: Sequence[tuple[str, str]]
) -> Ended:
    """Run a command at a terminal; of each pair, wait for the question and type the answer."""
    ours, theirs = pty.openpty()
    env = {k: v for k, v in environment(stage).items() if not k.startswith("RELAY_")}
    try:
        process = await start(
            stage,
            *words,
            stdin=theirs,
            stderr=asyncio.subprocess.STDOUT,
            env=env,
            # A session of its own, or its terminal would be the one in which the tests run.
            start_new_session=True,
        )
        os.close(theirs)
        said = ""
        for question, answer in dialogue:
            said += await _read_until(process, question)
            if "secret" in question or "Token" in question:
                await _until_hidden(ours)
            os.write(ours, f"{answer}\n".encode())
        ended = await end(process)
        return Ended(ended.code, said + ended.out, "")
    finally:
        os.close(ours)


async def _read_until(process: asyncio.subprocess.Process, question: str) -> str:
    said = ""
    assert process.stdout is not None
    while question not in said:
        try:
            read = await asyncio.wait_for(process.stdout.read(4096), PATIENCE)
        except TimeoutError:
            process.kill()
            await process.communicate()
            raise AssertionError(f"{question!r} was not asked: {said}") from None
        assert read, said
        said += read.decode(errors="replace")
    return said


async def _until_hidden(terminal: int) -> None:
    """Wait until what is typed does not show: what was typed before that is thrown away."""
    async with asyncio.timeout(PATIENCE):
        # The other side of a terminal is not notified when its mode has changed.
        while termios.tcgetattr(terminal)[3] & termios.ECHO:  # noqa: ASYNC110 - as said above.
            await asyncio.sleep(0.01)
