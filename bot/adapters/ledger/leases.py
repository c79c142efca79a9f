"""Leases in a database on a server: which process runs the bot, and which commands send files.

A lock that belongs to a connection is not enough, because a process that was stopped keeps it. A
lease has an end, by the clock of the server, and a fence: a number that is one higher with each
new holder. The writer of a process compares both when it begins a transaction, so that a process
that lost its lease writes nothing any more.
"""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import structlog
from sqlalchemy import (
    ColumnElement,
    Connection,
    delete,
    literal_column,
    select,
    tuple_,
    update,
)
from sqlalchemy.exc import DBAPIError

from bot.adapters.ledger.connection import Backend, ConnectionThread, Lease
from bot.adapters.ledger.rows import insert_for
from bot.adapters.ledger.schema import leases
from bot.core.errors import LedgerLocked, LedgerUnusable

log = structlog.stdlib.get_logger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

BOT: Final = "bot"
"""Name of the lease of the process that runs the bot."""
SENDS: Final = "send-"
"""Begins the names of the leases of commands that send files."""
GATE: Final = "gate"
"""Name of the lease of a command that begins to send, while it looks for others."""
WORKER: Final = "worker-"
"""Begins the names of the leases of workers."""
LASTS: Final = timedelta(seconds=12)
"""How long a lease holds after it was renewed."""
RENEWED_EVERY: Final = timedelta(seconds=2)
"""Between two renewals."""
DEAD_AFTER: Final = LASTS.total_seconds()
"""Seconds (real) without a renewal after which a lease is free, even if the clock of the server
says otherwise: that may have been set back, or be that of a server that replaced another one.
"""
MARGIN: Final = timedelta(seconds=6)
"""A transaction begins only while the lease lasts longer than this. It is more than the server
waits for the next statement of a transaction, so that what a process began before it was stopped
is undone before another process holds the lease.
"""
RENEWAL_HANGS_AFTER: Final = 3.0
"""Seconds (real) after which a renewal is tried by another connection: a firewall that forgets the
connections of a process drops their packets, and answers none. It is so short that the lease of a
process that reaches the server by a new connection never lasts less than `MARGIN`.
"""
LOOK_EVERY: Final = 0.5
"""Seconds (real) between two attempts to take a lease that another process holds."""


NOW: Final = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
"""The time of the server in microseconds since 1970, as `Instant` stores it."""
_HAS_ENDED: Final = leases.c.expires_at < literal_column(NOW)
_END: Final[ColumnElement[int]] = literal_column(f"{NOW} + {LASTS // timedelta(microseconds=1)}")


def acquire(
    connection: Connection, name: str, holder: str, still: tuple[int, int] | None = None
) -> Lease | None:
    """Take a lease that is free or has ended, or return `None`. Remove those of commands that have
    ended. One that has `still` this fence and end is taken, too.
    """
    connection.execute(delete(leases).where(leases.c.name.startswith(SENDS), _HAS_ENDED))
    values: dict[str, Any] = {"name": name, "holder": holder, "fence": 1, "expires_at": _END}
    taken = {"holder": holder, "fence": leases.c.fence + 1, "expires_at": _END}
    is_free = _HAS_ENDED
    if still is not None:
        is_free |= tuple_(leases.c.fence, leases.c.expires_at) == still
    made = connection.execute(
        insert_for(connection, leases)
        .values(values)
        .on_conflict_do_update(index_elements=["name"], set_=taken, where=is_free)
        .returning(leases.c.fence)
    )
    fence = made.scalar_one_or_none()
    return None if fence is None else Lease(name, fence)


def _is_it(lease: Lease) -> ColumnElement[bool]:
    return (leases.c.name == lease.name) & (leases.c.fence == lease.fence)


def renew(connection: Connection, lease: Lease) -> bool:
    """Put the end of a lease off; return false if another process has taken it. One that has ended
    and was not taken is held again.
    """
    renewed = update(leases).where(_is_it(lease)).values(expires_at=_END)
    return connection.execute(renewed).rowcount == 1


def release(connection: Connection, lease: Lease) -> None:
    """End a lease now; its fence stays, so that the next one is higher."""
    if lease.name.startswith(SENDS):
        connection.execute(delete(leases).where(_is_it(lease)))
    else:
        connection.execute(
            update(leases).where(_is_it(lease)).values(expires_at=literal_column("0"))
        )


def live(connection: Connection, prefix: str = "") -> dict[str, tuple[str, int]]:
    """Return holder and fence of the leases that have not ended, by name."""
    found = connection.execute(
        select(leases.c.name, leases.c.holder, leases.c.fence).where(
            leases.c.name.startswith(prefix), ~_HAS_ENDED
        )
    )
    return {name: (holder, fence) for name, holder, fence in found}


def seen(connection: Connection, name: str) -> tuple[int, int] | None:
    """Return fence and end of a lease, if there is one."""
    found = select(leases.c.fence, leases.c.expires_at).where(leases.c.name == name)
    row = connection.execute(found).one_or_none()
    return None if row is None else (row.fence, row.expires_at)


def fence_of(name: str) -> str:
    """Return the expression that tells the fence of a lease that lasts long enough to write by it,
    and NULL otherwise.
    """
    margin = MARGIN // timedelta(microseconds=1)
    return f"(SELECT fence FROM leases WHERE name = '{name}' AND expires_at > {NOW} + {margin})"  # noqa: S608 -- a constant.


def this_process() -> str:
    """Return what names this process to an operator."""
    return f"{socket.gethostname()} process {os.getpid()}"


def held_by_another(name: str) -> str:
    """Return what it means that another process holds a lease, to be followed by the ledger."""
    if name.startswith(WORKER):
        return f"another worker {name.removeprefix(WORKER)} runs on"
    return "another bot runs on"


class LeaseKeeper:
    """Takes a lease for this process, and renews it until it is released."""

    def __init__(
        self, backend: Backend, name: str, *, waits: Callable[[str], None] | None = None
    ) -> None:
        self._waits = waits
        self._backend = backend
        self._thread = ConnectionThread(backend)
        self._name = name
        self._renewing: asyncio.Task[None] | None = None
        self.lease: Lease | None = None
        self.lost = asyncio.Event()
        """Set when another process has taken the lease."""
        self.failure = ""
        """Why the lease could not be renewed at the latest attempt, or nothing."""
        self.lost_server: Callable[[bool], None] = lambda _: None
        """Called when another server may stand in the place of the former one, with whether that
        did not answer.
        """
        self._seen: tuple[int, int] | None = None
        self._changed_at = time.monotonic()
        self.seen_since = time.monotonic()
        """Since when the server has answered without a failure, until the lease was taken."""

    async def take(self) -> Lease:
        """Take the lease, and renew it from now on. If another process holds it, wait for its end,
        which comes unless that process renews it. With `waits`, which is told the holder, wait for
        as long as it takes.

        Raises:
            LedgerLocked: another process holds it and is alive.
            LedgerUnusable: the server cannot be used.
        """
        self._thread.cuts_off_after = RENEWAL_HANGS_AFTER
        self._changed_at = time.monotonic()
        deadline = self._changed_at + LASTS.total_seconds() + 2 * LOOK_EVERY
        while (lease := await self._try()) is None:
            if self._waits is None and time.monotonic() > deadline:
                raise LedgerLocked(
                    f"{held_by_another(self._name)} the ledger {self._backend.place}:"
                    f" {await self._holder()}"
                )
            await asyncio.sleep(LOOK_EVERY)
        self.lease = lease
        self._renewing = asyncio.create_task(self._renew(lease))
        return lease

    async def _try(self) -> Lease | None:
        """Take the lease if it is free; tell what is waited for otherwise."""
        try:
            lease = await self._thread.run(
                acquire, self._name, this_process(), await self._standing()
            )
            if lease is None and self._waits is not None:
                self._waits(f"{held_by_another(self._name)} the ledger: {await self._holder()}")
        except LedgerUnusable as error:
            if self._waits is None:
                raise
            self._waits(str(error))
            # What happened meanwhile was not seen.
            self._seen = None
            self.seen_since = time.monotonic()
            return None
        return lease

    async def _standing(self) -> tuple[int, int] | None:
        """Return fence and end of the lease if no process has renewed it for as long as it holds,
        as seen from here.
        """
        found, now = await self._thread.run(seen, self._name), time.monotonic()
        if found != self._seen:
            self._seen, self._changed_at = found, now
        return found if now - self._changed_at > DEAD_AFTER else None

    async def others(self, prefix: str) -> bool:
        """Return whether another process holds a lease with such a name."""
        return bool((await self._thread.run(live, prefix)).keys() - {self._name})

    async def run(
        self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run an operation on the connection that renews the lease.

        Raises:
            LedgerUnusable: the server cannot be used.
        """
        return await self._thread.run(operation, *args, **kwargs)

    async def _holder(self) -> str:
        found = await self._thread.run(live, self._name)
        return found.get(self._name, ("it has just ended", 0))[0]

    async def _renew(self, lease: Lease) -> None:
        pause = RENEWED_EVERY.total_seconds()
        while True:
            await asyncio.sleep(pause)
            # A server that is away is waited for.
            pause = LOOK_EVERY
            try:
                is_held = await self._thread.run(renew, lease)
            except LedgerUnusable as error:
                self._note_failure(error.reason)
                if self._backend.may_be_elsewhere(error):
                    self.lost_server(self._thread.was_cut_off)
            except DBAPIError as error:
                # An operator's to cure as well, and no reason to renew never again.
                self._note_failure(type(error.orig).__name__)
            else:
                if not is_held:
                    log.error("another process runs on this ledger now", lease=self._name)
                    self.lost.set()
                    return
                self.failure = ""
                pause = RENEWED_EVERY.total_seconds()

    def _note_failure(self, why: str) -> None:
        if why != self.failure:
            log.warning("the lease cannot be renewed", lease=self._name, why=why)
        self.failure = why

    async def close(self) -> None:
        """Release the lease, if the server can be reached at once."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.wait([self._renewing])
        if self.lease is not None and not self.lost.is_set():
            with suppress(LedgerUnusable):
                await self._thread.run(release, self.lease)
        self._backend.give_up()
        await self._thread.close()


@asynccontextmanager
async def keeping(
    backend: Backend,
    name: str,
    *,
    waits: Callable[[str], None] | None = None,
    first: Callable[[LeaseKeeper], Awaitable[None]] | None = None,
) -> AsyncIterator[LeaseKeeper]:
    """Hold a lease until the end of the block; `waits` as in `LeaseKeeper.take`. `first` is done
    before the lease is taken; with `waits`, a server that is away then is waited for.

    Raises:
        LedgerLocked: another process holds it and is alive.
        LedgerUnusable: the server cannot be used.
    """
    keeper = LeaseKeeper(backend, name, waits=waits)
    try:
        while first is not None:
            try:
                await first(keeper)
                break
            except LedgerUnusable as error:
                if waits is None or not backend.is_away(error):
                    raise
                waits(str(error))
            await asyncio.sleep(LOOK_EVERY)
        await keeper.take()
        yield keeper
    finally:
        await keeper.close()
