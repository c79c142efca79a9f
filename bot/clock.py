"""The system clock, waiting for a moment or an event, and time zones by the names people use.

The zones are those of the machine or of the package `tzdata` (Python's `zoneinfo`).
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

import structlog

from bot.core.errors import StoreError
from bot.core.ports.clock import Clock
from bot.core.ports.jobs import OffsetLedger
from bot.core.ports.store import ObjectStore, StoreTime, Threads

log = structlog.stdlib.get_logger(__name__)

_OFFSET: Final = re.compile(r"(?:utc|gmt)?([+-])(\d{1,2})(?::?([0-5]\d))?", re.IGNORECASE)
_LEAST, _MOST = timedelta(hours=-12), timedelta(hours=14)


class SystemClock:
    """The system's clock; implements the `Clock` port."""

    def now(self) -> datetime:
        """Return the aware UTC time."""
        return datetime.now(UTC)

    async def sleep_until(self, when: datetime) -> None:
        """Return once `now() >= when`; checked again every minute, because the clock may be
        set.
        """
        # Polling is intended: a process gets no signal when the system's clock is set.
        while (left := (when - self.now()).total_seconds()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(left, 60.0))


class CorrectedClock:
    """A clock plus the offset of another one, which may change; fulfils the `Clock` port."""

    def __init__(self, clock: Clock, offset: Callable[[], timedelta]) -> None:
        self._clock = clock
        self._offset = offset

    def now(self) -> datetime:
        """Return the aware UTC time of the other clock."""
        return self._clock.now() + self._offset()

    async def sleep_until(self, when: datetime) -> None:
        """Return once `now() >= when`; the offset is looked at again every minute."""
        while self.now() < when:
            latest = self._clock.now() + timedelta(minutes=1)
            await self._clock.sleep_until(min(when - self._offset(), latest))


async def wait_for_event(event: asyncio.Event, clock: Clock, until: datetime | None) -> None:
    """Return when `event` is set or the clock reaches `until` (`None`: only the event). The event
    is not cleared.
    """
    if until is None:
        await event.wait()
        return
    waits = {asyncio.ensure_future(event.wait()), asyncio.ensure_future(clock.sleep_until(until))}
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def find_zone(name: str) -> tzinfo:
    """Return the time zone of this name: an IANA name, "UTC", or an offset such as "UTC+8".

    Raises:
        ValueError: there is no such zone on this machine.
    """
    # Known without installed time zones too.
    if name == "UTC":
        return UTC
    offset = _offset(name)
    if offset is not None:
        return timezone(offset)
    try:
        return ZoneInfo(name)
    # A name may refer to a folder of zones, or to a path outside of it.
    except (KeyError, OSError, ValueError) as error:
        raise ValueError("no such time zone") from error


def read_zone(text: str) -> str | None:
    """Return the name of the zone for a user's input: an IANA name or the city in it, in any case,
    with spaces or underscores; or an offset from UTC. `None` if there is no such zone.

    Lists all zones, once per process. Blocks.
    """
    wanted = "_".join(text.lower().split())
    offset = _offset(wanted.replace("_", ""))
    if offset is not None:
        return name_of_offset(offset)
    return _names().get(wanted)


def _offset(text: str) -> timedelta | None:
    found = _OFFSET.fullmatch(text)
    if found is None:
        return None
    offset = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
    offset = -offset if found[1] == "-" else offset
    return offset if _LEAST <= offset <= _MOST else None


def name_of_offset(offset: timedelta) -> str:
    """Format an offset from UTC: "UTC+8", "UTC-3:30", "UTC"."""
    hours, minutes = divmod(abs(offset) // timedelta(minutes=1), 60)
    if offset == timedelta(0):
        return "UTC"
    sign = "-" if offset < timedelta(0) else "+"
    return f"UTC{sign}{hours}" + (f":{minutes:02}" if minutes else "")


@cache
def _names() -> Mapping[str, str]:
    # The shortest name that ends in a city wins, and a whole name before any city.
    zones = sorted(available_timezones() | {"UTC"}, key=lambda name: (-len(name), name))
    cities = {name.rpartition("/")[2].lower(): name for name in zones}
    return cities | {name.lower(): name for name in zones}


WORTH_STORING: Final = timedelta(seconds=2)


PROBE: Final = "clock"
"""The end of a key that does not exist; any answer about it tells the time."""


class StoreClockKeeper:
    """Makes sure that the store's time is known before links are ended by it."""

    def __init__(
        self,
        time: StoreTime,
        ledger: OffsetLedger,
        store: ObjectStore,
        threads: Threads,
        *,
        prefix: str,
    ) -> None:
        self._time = time
        self._ledger = ledger
        self._store = store
        self._threads = threads
        self._probe = f"{prefix}{PROBE}"
        self._stored: timedelta | None = None

    async def correct(self) -> None:
        """Ask for the time if the system's clock was set since the last answer, and store an
        offset that has changed.
        """
        if self._time.clock_was_set:
            await self._ask()
        await self._store_offset()

    async def is_known(self) -> bool:
        """Whether the time is known well enough to end links by it; asks where it is not."""
        if not self._time.is_current:
            await self._ask()
        await self._store_offset()
        return self._time.is_current

    async def _ask(self) -> None:
        try:
            await self._threads.call(lambda: self._store.head(self._probe))
        except StoreError as error:
            # A refusal tells the time too; whether it did shows in `is_current`.
            if not self._time.is_current:
                log.warning("cannot ask for the time of OSS", code=error.code)

    async def _store_offset(self) -> None:
        if self._stored is None:
            self._stored = await self._ledger.oss_offset()
        offset = self._time.offset
        if self._time.is_current and abs(offset - self._stored) >= WORTH_STORING:
            log.info("the clock of OSS differs", offset=offset.total_seconds())
            await self._ledger.set_oss_offset(offset)
            self._stored = offset
