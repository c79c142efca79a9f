"""The system clock, waiting for a moment, an event or the end of tasks, and time zones by the
names people use.

The zones are those of the machine or of the package `tzdata` (Python's `zoneinfo`).
"""

import asyncio
import re
import unicodedata
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache, lru_cache
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo, available_timezones

import structlog

from bot.core.errors import StoreError
from bot.core.ports import Clock
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


_REGIONS: Final = (
    "Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe",
    "Indian", "Pacific",
)  # fmt: skip
"""Others are no places ("Etc/GMT+8" is eight hours behind), or old names of zones in these."""
_OTHER_CITIES: Final[Mapping[str, str]] = {
    "Asia/Shanghai": "Beijing, 北京; Guangzhou, 广州; Shenzhen, 深圳; Chengdu, 成都; Wuhan, 武汉;"
    "Hangzhou, 杭州; Nanjing, 南京; Tianjin, 天津; Chongqing, 重庆; Xi'an, 西安",
    "Asia/Kolkata": "Mumbai, 孟买; Delhi, 德里; New Delhi, 新德里; Bengaluru, 班加罗尔;"
    "Chennai, 金奈",
    "Asia/Karachi": "Islamabad, 伊斯兰堡; Lahore, 拉合尔",
    "Europe/Istanbul": "Ankara, 安卡拉",
    "Asia/Dubai": "Abu Dhabi, 阿布扎比",
    "Asia/Riyadh": "Jeddah, 吉达; Mecca, 麦加",
    "Asia/Jerusalem": "Tel Aviv, 特拉维夫",
    "Asia/Tokyo": "Osaka, 大阪; Kyoto, 京都",
    "Asia/Seoul": "Busan, 釜山",
    "Asia/Almaty": "Astana, 阿斯塔纳",
    "Asia/Bangkok": "Hanoi, 河内",
    "America/New_York": "Washington, 华盛顿; Boston, 波士顿; Miami, 迈阿密; Atlanta, 亚特兰大;"
    "Philadelphia, 费城",
    "America/Los_Angeles": "San Francisco, 旧金山; Seattle, 西雅图; Las Vegas, 拉斯维加斯",
    "America/Chicago": "Houston, 休斯敦; Dallas, 达拉斯",
    "America/Toronto": "Ottawa, 渥太华",
    "America/Sao_Paulo": "Rio de Janeiro, 里约热内卢; Brasília, 巴西利亚",
    "Europe/Berlin": "Munich, 慕尼黑; Frankfurt, 法兰克福",
    "Europe/Madrid": "Barcelona, 巴塞罗那",
    "Europe/Rome": "Milan, 米兰",
    "Europe/Zurich": "Geneva, 日内瓦",
    "Europe/Moscow": "Saint Petersburg, 圣彼得堡",
    "Pacific/Auckland": "Wellington, 惠灵顿",
    "Africa/Johannesburg": "Cape Town, 开普敦",
    "Africa/Lagos": "Abuja, 阿布贾",
    "Africa/Casablanca": "Rabat, 拉巴特",
}
"""Large cities by the zone that bears the name of another one, in English and Chinese (source:
GeoNames, `cities15000`, fields `timezone` and `alternatenames`).
"""
_LANGUAGES: Final = ("en", "zh-Hans")
"""Languages in which cities are known to all users: those of the bot."""


def read_zone(text: str, language: str = "") -> str | None:
    """Return the name of the zone for a user's input: an IANA name; a city in English, Chinese or
    the user's `language` (an IETF tag), in any case, with or without accents, blanks and hyphens;
    or an offset from UTC. `None` if there is no such zone.

    Reads tables of names, once per process and language. Blocks.
    """
    offset = _offset("".join(text.split()).replace("\N{MINUS SIGN}", "-"))
    if offset is not None:
        return name_of_offset(offset)
    wanted = _folded(text)
    for names in (_names(), *map(_cities, (language, *_LANGUAGES)), _other_cities()):
        if wanted in names:
            return names[wanted]
    return None


def _folded(text: str) -> str:
    """Reduce a name to letters, digits and slashes without case and accents: "são-paulo" and
    "Sao Paulo" are the same.
    """
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(filter(_counts, decomposed))


def _counts(char: str) -> bool:
    # Vowel signs of the scripts of India are no accents: of category M, yet not combining.
    is_part = unicodedata.category(char)[0] in "LMN" and not unicodedata.combining(char)
    return is_part or char == "/"


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
    known = (name for name in available_timezones() if name.startswith(_REGIONS))
    zones = sorted((*known, "UTC"), key=lambda name: (-len(name), name))
    cities = {_folded(name.rpartition("/")[2]): name for name in zones}
    return cities | {_folded(name): name for name in zones} | {"gmt": "UTC"}


@lru_cache(maxsize=8)
def _cities(language: str) -> Mapping[str, str]:
    """Return the zones of cities by their names in a language, from CLDR."""
    # Here, because its tables are large and few people ask.
    from babel import Locale, UnknownLocaleError
    from babel.core import get_global

    try:
        zones = Locale.parse(language.replace("-", "_")).time_zones
    except (UnknownLocaleError, ValueError):
        return {}
    present = get_global("zone_aliases")
    return {
        _folded(names["city"]): present.get(zone, zone)
        for zone, names in zones.items()
        if "city" in names and zone.startswith(_REGIONS)
    }


@cache
def _other_cities() -> Mapping[str, str]:
    return {
        _folded(name): zone
        for zone, cities in _OTHER_CITIES.items()
        for city in cities.split(";")
        for name in city.split(",")
    }


WORTH_STORING: Final = timedelta(seconds=2)


PROBE: Final = "clock"
"""The end of a key that does not exist; any answer about it tells the time."""


class ForgottenOffset:
    """Implements `OffsetLedger` for a process with a successor that need not know the offset."""

    async def oss_offset(self) -> timedelta:
        """Return no offset."""
        return timedelta(0)

    async def set_oss_offset(self, offset: timedelta) -> None:
        """Do nothing."""


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


T = TypeVar("T")

STUCK_AFTER = timedelta(seconds=1.5)
"""Longest wait for a cancelled task. A task that takes longer waits for a thread that cannot be
interrupted, such as one in the middle of connecting.
"""


async def unless_stopped(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """Do `work` and return its result, or cancel it when `stop` is set and return `None`.

    Returns within `STUCK_AFTER` of `stop`, even if the work does not: the caller must then end the
    process with `os._exit`. Raises the errors of the work.
    """
    task, stopped = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        await end([task, stopped])


async def until_stopped(stop: asyncio.Event, loops: Sequence[asyncio.Task[None]]) -> None:
    """Return when `stop` is set. Raise the error of a loop that fails before: loops do not end."""
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({stopped, *loops}, return_when=asyncio.FIRST_COMPLETED)
        for loop in loops:
            if loop.done() and not loop.cancelled():
                loop.result()
    finally:
        stopped.cancel()


def is_asked_to_end() -> bool:
    """Return whether the current task has been cancelled. A `CancelledError` in one that has not
    comes out of a library, from a future that was cancelled there, and is an error like others.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def briefly(work: Coroutine[Any, Any, object]) -> None:
    """Do `work` while the process ends; leave it after `STUCK_AFTER`, even where it cannot be
    cancelled, and the process must then be ended with `os._exit`. Raises the errors of the work.
    """
    task = asyncio.ensure_future(work)
    await asyncio.wait({task}, timeout=STUCK_AFTER.total_seconds())
    if task.done():
        task.result()
        return
    # Otherwise the event loop would tell of an error that came later.
    task.add_done_callback(lambda late: late.cancelled() or late.exception())
    task.cancel()


async def end(tasks: Sequence[asyncio.Future[Any]]) -> None:
    """Cancel tasks and wait for their end, at most `STUCK_AFTER`; those that need longer are
    abandoned. Raises no error of the tasks.
    """
    for task in tasks:
        task.cancel()
    done, stuck = await asyncio.wait(tasks, timeout=STUCK_AFTER.total_seconds())
    for task in done:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.debug("ended with an error", why=repr(error))
    if stuck:
        log.warning("threads did not stop in time", count=len(stuck))
