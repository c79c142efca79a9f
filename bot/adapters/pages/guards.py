"""Guards of the pages: what is read of a request, passwords, the cookie that a right one earns,
and limits of what one visitor, or all visitors of one link, may try.
"""

import asyncio
import hashlib
import hmac
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qs

from aiohttp import web
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from bot.adapters.pages.rendering import LONGEST_HEADER, pick_language
from bot.adapters.web_limits import Address, address_key
from bot.core.limits import BoundedMap
from bot.core.ports import Clock
from bot.core.ports.pages import HasherBusy, Page

Visitor = Address | None
"""The address of a visitor; `None` where a proxy hides it. Those share one limit."""

LARGEST_FORM: Final = 4096
"""Bytes of a form; that of a password has less than 200."""
FORM_TIMEOUT: Final = 10.0
"""Seconds (real) for the body of a form."""
_PROGRAM: Final = re.compile(
    r"curl|wget|aria2|httpie|python|go-http-client|okhttp|axios|java|libwww|powershell|axel|node",
    re.IGNORECASE,
)
"""Clients that show a text better than HTML."""
_PREVIEW: Final = re.compile(
    r"bot\b|crawl|spider|preview|facebookexternalhit|whatsapp|skype|slack|embed|snippet|vkshare"
    r"|pinterest|linkedin|iframely|feedfetcher|mattermost|viber|line-|^line/|kakaotalk|zoominfo"
    r"|microsoft office|ms-office|skypeuri|google-|imageproxy|snapchat|signal-|larkurl|unfurl"
    r"|slurp|\bscan|proofpoint|barracuda|safelinks|defender|\(compatible;(?! msie)",
    re.IGNORECASE,
)
"""Programs that open every link they meet, to show what it leads to or to look for malware. No
browser of today says that it is `compatible`.
"""
_LATER_RANGE: Final = re.compile(r"bytes=(?!0-(?!0$))", re.IGNORECASE)
"""A range that does not begin the file, or only looks whether there is one (`0-0`)."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request, as far as the pages read it. `parts` are the segments of its path as sent."""

    request: web.BaseRequest
    visitor: str
    parts: tuple[str, ...]
    language: str
    wants_html: bool
    only_looks: bool
    """Whether no person asks: a preview, a scanner, or a browser that fetches in advance."""
    is_curl: bool
    """Whether it takes the first `filename` that it meets, in UTF-8, and knows no `filename*`: the
    one of OSS is in ASCII (source: curl 7.88.1, src/tool_cb_hdr.c).
    """

    @property
    def method(self) -> str:
        """GET, HEAD or POST."""
        return self.request.method

    @property
    def begins_file(self) -> bool:
        """Whether a whole file is asked for, or a range that begins it."""
        return _LATER_RANGE.match(self.request.headers.get("Range", "")) is None

    @property
    def token(self) -> str:
        """The first segment."""
        return self.parts[0]


def read(request: web.BaseRequest, visitor: Visitor) -> Ask:
    """Read a request. Programs get text unless they ask for HTML; previews and browsers HTML."""
    agent = request.headers.get("User-Agent", "")[:512]
    is_preview, is_program = _judge(agent)
    asks_for_html = "text/html" in request.headers.get("Accept", "")
    accepted = request.headers.get("Accept-Language", "")[:LONGEST_HEADER]
    purpose = request.headers.get("Sec-Purpose", "") + request.headers.get("Purpose", "")
    return Ask(
        request=request,
        visitor=address_key(visitor),
        parts=tuple(request.rel_url.raw_path.split("/")[1:]),
        language=pick_language(accepted),
        wants_html=asks_for_html or is_preview or not is_program,
        only_looks=is_preview or "prefetch" in purpose,
        is_curl=agent.startswith("curl/"),
    )


@lru_cache(maxsize=512)
def _judge(agent: str) -> tuple[bool, bool]:
    """Return whether a User-Agent is that of a preview, and of a program without a browser."""
    is_program = _PROGRAM.match(agent) is not None or "Mozilla" not in agent
    return _PREVIEW.search(agent) is not None, is_program


async def read_form(request: web.BaseRequest) -> dict[str, str] | int:
    """Return the fields of a form, or the status that refuses it."""
    body = bytearray()
    try:
        async with asyncio.timeout(FORM_TIMEOUT):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > LARGEST_FORM:
                    return 413
    except TimeoutError:
        return 408
    except (ConnectionError, web.RequestPayloadError):
        # Cut off, or no body as its head says.
        return 400
    try:
        text = body.decode("utf-8", "replace")
        fields = parse_qs(text, keep_blank_values=True, max_num_fields=8)
    except ValueError:
        return 400
    return {name: values[0] for name, values in fields.items()}


HASHED_AT_ONCE: Final = 2
HASHES_WAITING: Final = 16
"""At about 20 ms each the last one waits a fraction of a second."""
MEMORY: Final = 19 << 10
"""KiB of one hash; with the two rounds below it is a recommended setting (source: OWASP, "Password
Storage Cheat Sheet", Argon2id).
"""
ROUNDS: Final = 2
LONGEST_PASSWORD: Final = 128
"""Characters that are looked at; those of the bot have at most 35."""


def normalize(password: str) -> str:
    """Return a password as it is compared: phones write capitals and add spaces by themselves, and
    keyboards for Chinese write wide letters.
    """
    text = unicodedata.normalize("NFKC", password)
    return " ".join(text.replace("-", " ").casefold().split())


class ArgonPasswords:
    """Implements the port `PasswordHasher`, in threads, few at once: a hash takes 19 MiB, and the
    event loop goes on meanwhile. `memory` is KiB of a new hash.
    """

    def __init__(self, memory: int = MEMORY) -> None:
        self._hasher = PasswordHasher(time_cost=ROUNDS, memory_cost=memory, parallelism=1)
        self._free = asyncio.Semaphore(HASHED_AT_ONCE)
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """Hash a password."""
        async with self._free:
            return await asyncio.to_thread(self._hasher.hash, normalize(password))

    async def verify(self, password_hash: str, password: str) -> bool:
        """Compare in constant time."""
        if self._waiting >= HASHES_WAITING:
            raise HasherBusy
        self._waiting += 1
        try:
            async with self._free:
                given = normalize(password[:LONGEST_PASSWORD])
                return await asyncio.to_thread(self._verify, password_hash, given)
        finally:
            self._waiting -= 1

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False


PASS_LIFETIME: Final = timedelta(minutes=15)
"""How long a page is open for the visitor who has given its password."""


class Passes:
    """The value of the cookie after a right password. It holds for one page, with this address and
    this password, and is signed by a key derived from `secret`, so that it survives a restart.
    """

    def __init__(self, secret: bytes, clock: Clock) -> None:
        self._key = hmac.digest(secret, b"file-relay-bot pages", hashlib.sha256)
        self._clock = clock

    def issue(self, page: Page) -> str:
        """Return a pass that ends after `PASS_LIFETIME`."""
        ends = int((self._clock.now() + PASS_LIFETIME).timestamp())
        return f"{ends}.{self._tag(page, ends)}"

    def admits(self, page: Page, given: str) -> bool:
        """Return whether this is a pass for the page."""
        ends, _, tag = given.partition(".")
        if not (ends.isascii() and ends.isdecimal() and len(ends) < 12):
            return False
        is_ours = hmac.compare_digest(tag.encode(), self._tag(page, int(ends)).encode())
        return is_ours and self._clock.now().timestamp() < int(ends)

    def _tag(self, page: Page, ends: int) -> str:
        what = f"{page.id} {page.token} {page.options.password_hash} {ends}"
        return hmac.new(self._key, what.encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Pace:
    """How many tries are free, and how long one waits after each further one: it doubles from
    `first` to `longest`. Tries are forgotten `memory` after the last one.
    """

    free: int
    first: timedelta
    longest: timedelta
    memory: timedelta

    def wait(self, tries: int) -> timedelta:
        """Return how long to wait after so many tries."""
        if tries < self.free:
            return timedelta(0)
        doubled: int = 1 << min(tries - self.free, 20)
        return min(self.longest, self.first * doubled)


@dataclass(frozen=True, slots=True)
class _Tries:
    count: int
    last_at: datetime


class Throttle:
    """Slows down tries by a key, such as the address of a visitor. Bounded: of many keys the one
    tried longest ago is forgotten.
    """

    def __init__(self, pace: Pace, clock: Clock) -> None:
        self._pace = pace
        self._clock = clock
        self._tries: BoundedMap[str, _Tries] = BoundedMap(20_000)

    def wait(self, key: str) -> timedelta:
        """Return how long this key must wait before its next try, zero if not at all."""
        tries, now = self._tries.get(key), self._clock.now()
        if tries is None or now - tries.last_at >= self._pace.memory:
            return timedelta(0)
        return max(timedelta(0), tries.last_at + self._pace.wait(tries.count) - now)

    def tried(self, key: str) -> None:
        """Count a try."""
        before, now = self._tries.get(key), self._clock.now()
        is_new = before is None or now - before.last_at >= self._pace.memory
        count = 0 if is_new or before is None else before.count
        self._tries.set(key, _Tries(count + 1, now))

    def forget(self, key: str) -> None:
        """Take a try back that was no wrong one."""
        if (tries := self._tries.get(key)) is not None:
            self._tries.set(key, _Tries(max(0, tries.count - 1), tries.last_at))


HOUR: Final = timedelta(hours=1)
BY_VISITOR: Final = Pace(5, timedelta(seconds=2), timedelta(minutes=10), HOUR)
BY_LINK: Final = Pace(50, timedelta(seconds=1), timedelta(seconds=30), HOUR)
"""Of all visitors of one link: at two tries a minute there are 2,880 of 2^44 in a day. Who knows
the link can keep others from their try by that; a new address ends it.
"""
REPORTS_BY_VISITOR: Final = Pace(3, timedelta(minutes=10), timedelta(hours=6), timedelta(hours=24))
REQUESTS_AT_ONCE: Final = 64
"""Requests of one visitor that are under way."""


class PasswordGuard:
    """Slows down wrong passwords, by link and by visitor."""

    def __init__(self, clock: Clock) -> None:
        self._by_visitor = Throttle(BY_VISITOR, clock)
        self._by_link = Throttle(BY_LINK, clock)

    def wait(self, page: Page, visitor: str) -> timedelta:
        """Return how long this visitor must wait before the next password for this page."""
        return max(self._by_visitor.wait(visitor), self._by_link.wait(str(page.id)))

    def tried(self, page: Page, visitor: str) -> None:
        """Count a password before it is compared, so that many at once are counted too."""
        self._by_visitor.tried(visitor)
        self._by_link.tried(str(page.id))

    def was_right(self, page: Page, visitor: str) -> None:
        """Take back what `tried` has counted."""
        self._by_visitor.forget(visitor)
        self._by_link.forget(str(page.id))


class RequestsAtOnce:
    """Counts the requests of each visitor that are under way."""

    def __init__(self, most: int = REQUESTS_AT_ONCE) -> None:
        self._most = most
        self._running: Counter[str] = Counter()

    def begin(self, visitor: str) -> bool:
        """Count a request, and return whether this visitor had room for it; `end` it in any
        case.
        """
        self._running[visitor] += 1
        return self._running[visitor] <= self._most

    def end(self, visitor: str) -> None:
        """Count a request as answered."""
        self._running[visitor] -= 1
        if not self._running[visitor]:
            del self._running[visitor]
