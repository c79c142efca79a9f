"""Construction of what a bot on several machines has beside the rest: the shared ledger, the
engine, and what has jobs run elsewhere. Imported only for the roles `front` and `worker`.
"""

import asyncio
import hashlib
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import structlog

from bot.adapters.engine import ProcrastinateEngine, defer, has_tables, make_tables, withdraw
from bot.adapters.ledger.database import Database, open_alone, open_as_worker
from bot.adapters.ledger.ledger import SqlLedger
from bot.adapters.ledger.postgresql import change, parameters_of
from bot.adapters.ledger.runs import SqlFrontJobs, SqlRuns, SqlSharedObjects, by_driver
from bot.adapters.oss.client import OssTime
from bot.core.errors import StoreError
from bot.core.files import LinkMode
from bot.core.ports import Clock
from bot.core.ports.ledger import LedgerServer
from bot.core.ports.runs import CLOUD, Role
from bot.core.ports.store import LinkLimit
from bot.jobs.remote import RemoteRunner
from bot.jobs.runner import JobLifecycle
from bot.settings import Settings, TelegramMode
from bot.supervision import STANDBY
from bot.wiring.monitoring import Monitoring

log = structlog.stdlib.get_logger(__name__)


def server_of(settings: Settings) -> LedgerServer:
    """Return the server of the ledger, without which there is no other role than `all`."""
    place = settings.ledger.place
    if isinstance(place, Path):
        raise TypeError("a file cannot be shared by machines")
    return place


class _Waits:
    """Says in the log and by `/readyz` what a process waits for; each reason once."""

    def __init__(self, monitoring: Monitoring) -> None:
        self._obstacles = monitoring.health_state.obstacles
        self._stands_by = monitoring.stands_by
        self._why = ""
        # It does not know yet whether it has to wait.
        self._obstacles[STANDBY] = "the ledger is being opened"

    def __call__(self, why: str) -> None:
        self._obstacles[STANDBY] = why
        if why != self._why:
            self._why = why
            log.info("stands by", why=why)
            self._stands_by(why)

    def over(self) -> None:
        self._obstacles.pop(STANDBY, None)


async def open_shared_ledger(
    settings: Settings, stack: AsyncExitStack, monitoring: Monitoring, role: Role
) -> tuple[Database, SqlLedger]:
    """Open the ledger for a front or a worker; wait for its turn as long as it takes.

    Raises:
        LedgerError: the server cannot be used.
    """
    server, waits = server_of(settings), _Waits(monitoring)
    if role is Role.FRONT:
        database = await stack.enter_async_context(open_alone(server, waits=waits))
        jobs, shared = SqlFrontJobs(database), SqlSharedObjects(database)
        ledger = SqlLedger(database, jobs=jobs, objects=shared)
    else:
        name = settings.worker_name
        opening = open_as_worker(server, name, waits=waits)
        database = await stack.enter_async_context(opening)
        ledger = SqlLedger(database, objects=SqlSharedObjects(database))
    if not await database.read(by_driver, has_tables):
        await asyncio.to_thread(change, server, make_tables)
    waits.over()
    return database, ledger


def place_of(settings: Settings) -> tuple[str, str]:
    """Return where the files of jobs are and what becomes of them, as a place and in words:
    machines that name the folder of a Bot API server alike see the same one. Only the bot that was
    sent a file can fetch it: a worker with the token of another one would fail every job.

    Bucket, kind and lifetime of links are those of the front: a worker with others would make
    public what the front promises to keep private, or put it where its key cannot reach.
    """
    given, link = settings.telegram, settings.link
    kind = f"{link.mode.value} links in {settings.oss.bucket} for {link.lifetime}"
    if given.mode is not TelegramMode.LOCAL or given.file_root is None:
        return f"{CLOUD}-{given.bot_id}-{_digest(kind)}", f"bot {given.bot_id}, {kind}"
    # As the server names it, where this machine has it elsewhere.
    roots = [there for there, here in given.path_map.items() if here == given.file_root]
    root = min(roots, default=str(given.file_root))
    return f"root-{_digest(f'{given.bot_id} {root} {kind}')}", f"{root}, {kind}"


def _digest(words: str) -> str:
    return hashlib.sha256(words.encode()).hexdigest()[:16]


def build_remote(
    settings: Settings,
    database: Database,
    lifecycle: JobLifecycle,
    clock: Clock,
    *,
    time: OssTime,
    link_limit: LinkLimit,
) -> RemoteRunner:
    """Build what has the jobs of a front run by workers."""
    place, root = place_of(settings)

    async def prepare_links() -> None:
        """Renew the key of this front where it would end a link earlier than that of a worker."""
        if settings.link.mode is LinkMode.SIGNED:
            # Without a key that is good for it the link ends earlier, and the answer says so.
            with suppress(StoreError):
                await link_limit.latest_end(time.now() + settings.link.lifetime)

    return RemoteRunner(
        SqlRuns(database, defer, withdraw, clock.now),
        engine_of(settings),
        lifecycle,
        clock,
        place=place,
        root=root,
        sees_since=database.seen_since,
        learn=time.take,
        prepare_links=prepare_links,
    )


def engine_of(settings: Settings) -> ProcrastinateEngine:
    """Return the engine in the database of the ledger."""
    server = server_of(settings)
    return ProcrastinateEngine(server, parameters_of(server), place_of(settings)[0])
