"""Bots as processes of their own that are measured from outside, this one and the straightforward
one, each against stand-ins of its own.
"""

import asyncio
import json
import os
import re
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bot.sandbox.telegram.remote import RemoteChat
from bot.sandbox.telegram.users import User
from tests.bench.processes import cpu_of
from tests.bench.stage import Sandbox, answers, running_sandbox

AT_ONCE: Final = 8
"""Files that a bot relays at the same time."""
OURS: Final = "ours"
UNCOUNTED: Final = "uncounted"
"""Ours without anything in it that counts."""
STRAIGHTFORWARD: Final = "straightforward"
COMMANDS: Final[Mapping[str, Sequence[str]]] = {
    OURS: ("-m", "tests.bench.counted"),
    UNCOUNTED: ("-m", "bot", "run", "--settings"),
    STRAIGHTFORWARD: (str(Path(__file__).with_name("straightforward_bot.py")),),
}


@dataclass(frozen=True, slots=True)
class Counts:
    """Commits, visits to the threads of the ledger, and statements, since the process began."""

    commits: int = 0
    visits: int = 0
    statements: int = 0


class Rival:
    """A running bot and its stand-ins. Figures are those of the bot's process alone."""

    def __init__(self, process: Process, sandbox: Sandbox, people: Sequence[User]) -> None:
        self._process = process
        self.sandbox = sandbox
        self.people = people

    @property
    def pid(self) -> int:
        """Return the id of the process."""
        return self._process.pid

    def cpu(self) -> float:
        """Return the seconds of CPU that the process has used."""
        return cpu_of(self.pid)

    def memory(self) -> int:
        """Return the bytes of memory that the process has now."""
        pages = Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    async def counts(self) -> Counts:
        """Return the counts of the ledger; of a bot without one all are 0."""
        if self._process.stdin is None or self._process.stdout is None:
            return Counts()
        self._process.stdin.write(b"\n")
        return Counts(**json.loads(await self._process.stdout.readline()))

    async def relay(self, path: Path, count: int) -> None:
        """Send so many files, of all people in turn and all at once; wait for the last link."""
        shares = [len(range(n, count, len(self.people))) for n in range(len(self.people))]
        async with asyncio.TaskGroup() as group:
            for person, share in zip(self.people, shares, strict=True):
                if share:
                    group.create_task(_relay(self._chat(person), person, path, share))

    async def relay_one(self, person: User, path: Path) -> None:
        """Send a file of one person; wait for its link."""
        await _relay(self._chat(person), person, path, 1)

    def _chat(self, person: User) -> RemoteChat:
        return self.sandbox.telegram.private_chat(person)


async def _relay(chat: RemoteChat, person: User, path: Path, count: int) -> None:
    sent = [
        await chat.send_file(person, content=path, name=f"{number}.bin") for number in range(count)
    ]
    await answers(chat, count, after=sent[0])


@asynccontextmanager
async def running_rival(
    who: str, folder: Path, *, people: int = 1, ledger: Path | None = None
) -> AsyncIterator[Rival]:
    """Run a bot (`OURS` or `STRAIGHTFORWARD`) with its stand-ins below `folder`, from the moment
    at which it asks for updates. `people` may use it. `ledger` is one that it begins with.

    Raises:
        BenchFailed: a process did not start.
    """
    async with running_sandbox(folder) as sandbox:
        others = [await sandbox.telegram.add_user(f"P{number}") for number in range(1, people)]
        users = [sandbox.user, *others]
        await asyncio.to_thread(_let_in, sandbox.settings, [user.id for user in users])
        if ledger is not None:
            await asyncio.to_thread(_place, ledger, folder)
        async with _process(who, sandbox.settings, folder) as process:
            await sandbox.telegram.log("getUpdates", at_least=1)
            yield Rival(process, sandbox, users)


def _place(ledger: Path, folder: Path) -> None:
    shutil.copyfile(ledger, folder / "ledger.db")


def _let_in(settings: Path, ids: Sequence[int]) -> None:
    text = settings.read_text(encoding="utf-8")
    access = f"users = {list(ids)}\nadmins = [{ids[0]}]"
    settings.write_text(re.sub(r"users = \[.*\]", access, text), encoding="utf-8")


@asynccontextmanager
async def _process(who: str, settings: Path, folder: Path) -> AsyncIterator[Process]:
    own = {name: text for name, text in os.environ.items() if not name.startswith("RELAY_")}
    variables = {
        "AT_ONCE": str(AT_ONCE),
        "RELAY_TRANSFER__AT_ONCE": str(AT_ONCE),
        "RELAY_SPOOL__KEEP_FREE": "0",
        "RELAY_SPOOL__FOLDER": str(folder / "spool"),
        "RELAY_LEDGER__PATH": str(folder / "ledger.db"),
    }
    pipe = PIPE if who == OURS else DEVNULL
    with (folder / "bot.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *COMMANDS[who],
            str(settings),
            stdin=pipe,
            stdout=pipe,
            stderr=log,
            env=own | variables,
        )
    try:
        yield process
    finally:
        process.kill()
        await process.wait()
