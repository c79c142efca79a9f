"""Pages and redirects a second on one processor, beside the library's own hello world with one
use of the ledger; and how long they take while files are uploaded.
"""

import asyncio
import os
import sys
import tempfile
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from bot.adapters.ledger.ledger import SqlLedger
from bot.clock import SystemClock
from bot.core.files import LinkMode, make_key
from bot.core.jobs import Placement, Wishes
from tests.bench.page_case import FLOOR, OURS, UPLOADS
from tests.bench.report import Sheet, least, spread
from tests.bench.sink import build_sink, serving
from tests.fakes.ledger import empty_ledger
from tests.fakes.samples import BOT_ID, a_result, acquire, make_file, make_origin

CONNECTIONS: Final = 16
SECONDS: Final = 2.0
"""Real seconds of one measurement."""
LEAST: Final = 0.6
"""Times the floor."""
SIZE: Final = 64 << 20
"""Bytes of each upload beside which pages are asked for."""
PLENTY: Final = 1_000_000_000
"""Downloads that no measurement uses up."""
BROWSER: Final = (
    "Host: files.example.org\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0 Safari/537.36\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    "Accept-Language: zh-CN,zh;q=0.9,en;q=0.8\r\n"
)


@dataclass
class Visitor(asyncio.Protocol):
    """One connection that sends the same request again and again, each after the answer before."""

    request: bytes
    expected: bytes
    seconds: list[float] = field(default_factory=list)
    _answer: bytes = b""
    _sent_at: float = 0.0
    _transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def _send(self) -> None:
        assert self._transport is not None
        self._sent_at = time.perf_counter()
        self._transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        """Read an answer, and send the next request."""
        self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        if not end:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        assert head.startswith(self.expected), head
        self.seconds.append(time.perf_counter() - self._sent_at)
        self._answer = b""
        self._send()


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of request: what a visitor sends, and what is its floor."""

    name: str
    line: str
    expected: str
    floor: str


KINDS: Final = (
    Kind("a page", "GET /{unlimited}", "200", "GET"),
    Kind("an unlimited download", "GET /{unlimited}/report.pdf", "303", "GET"),
    Kind("a counted download", "POST /{counted}/1/get", "303", "POST"),
)


def measure(pairs: int = 9) -> Sheet:
    """Ask ours and the floor in turn, `pairs` times for each kind of request."""
    processors = os.sched_getaffinity(0)
    # The servers have the first one.
    os.sched_setaffinity(0, {max(processors)})
    try:
        with tempfile.TemporaryDirectory(prefix="relay-bench-") as folder:
            rows, beside = asyncio.run(_measure(Path(folder), pairs))
    finally:
        os.sched_setaffinity(0, processors)
    notes = [
        f"{CONNECTIONS} connections. The floor: aiohttp's hello world with one read of the ledger,"
        " or one write for a counted download, by the same threads. Each on one processor.",
        *(f"{name}: {alone}; beside {UPLOADS} uploads: {late}" for name, alone, late in beside),
    ]
    columns = ("a second", "ours", "the floor", "ratio", "p99", "bar")
    return Sheet("pages: answers a second", columns, rows, notes)


async def _measure(folder: Path, pairs: int) -> tuple[list[Sequence[str]], list[Sequence[str]]]:
    tokens = await _make_pages(folder / "ledger.db")
    rates: dict[str, list[tuple[float, float, float]]] = {kind.name: [] for kind in KINDS}
    async with _serving(OURS, folder) as ours, _serving(FLOOR, folder) as floor:
        for _ in range(pairs):
            for kind in KINDS:
                floor_line = f"{kind.floor} /{tokens['unlimited']}"
                least_rate, _ = await _ask(floor, floor_line, "200")
                rate, late = await _ask(ours, kind.line.format(**tokens), kind.expected)
                rates[kind.name].append((rate, least_rate, late))
    rows = [_row(name, found) for name, found in rates.items()]
    return rows, await _beside_uploads(folder, tokens)


async def _beside_uploads(folder: Path, tokens: dict[str, str]) -> list[Sequence[str]]:
    """Ask at a calm pace, alone and beside the uploads of the same process."""
    file = folder / "uploaded.bin"
    file.write_bytes(os.urandom(SIZE))
    with serving(build_sink(folder), latency=0.030, rate=0) as endpoint:
        async with _serving(OURS, folder) as port:
            alone = [await _late(kind, tokens, port) for kind in KINDS]
        async with _serving(OURS, folder, endpoint, str(file)) as port:
            beside = [await _late(kind, tokens, port) for kind in KINDS]
    names = [f"{kind.name}, one at a time" for kind in KINDS]
    return list(zip(names, alone, beside, strict=True))


async def _late(kind: Kind, tokens: dict[str, str], port: int) -> str:
    line = kind.line.format(**tokens)
    rate, late = await _ask(port, line, kind.expected, connections=1)
    return f"{rate:.0f} a second, p99 {late * 1000:.1f} ms"


def _row(name: str, found: Sequence[tuple[float, float, float]]) -> Sequence[str]:
    ratios = [ours / floor for ours, floor, _ in found]
    return (
        name,
        spread([ours for ours, _, _ in found], "{:.0f}"),
        spread([floor for _, floor, _ in found], "{:.0f}"),
        spread(ratios, "{:.2f} ×"),
        spread([late * 1000 for _, _, late in found], "{:.1f} ms"),
        least(ratios, LEAST, "{:.1f} ×"),
    )


async def _ask(
    port: int, line: str, expected: str, *, connections: int = CONNECTIONS
) -> tuple[float, float]:
    """Return answers a second, and the seconds below which 99 of 100 stay."""
    length = "Content-Length: 0\r\n" if line.startswith("POST") else ""
    request = f"{line} HTTP/1.1\r\n{BROWSER}{length}\r\n".encode()
    loop = asyncio.get_running_loop()
    visitors = [Visitor(request, f"HTTP/1.1 {expected}".encode()) for _ in range(connections)]
    links = [
        await loop.create_connection(lambda one=one: one, "127.0.0.1", port)  # type: ignore[misc]
        for one in visitors
    ]
    await asyncio.sleep(SECONDS / 4)
    for visitor in visitors:
        visitor.seconds.clear()
    begun = time.perf_counter()
    await asyncio.sleep(SECONDS)
    seconds = sorted(one for visitor in visitors for one in visitor.seconds)
    took = time.perf_counter() - begun
    for transport, _ in links:
        transport.close()
    return len(seconds) / took, seconds[len(seconds) * 99 // 100]


@asynccontextmanager
async def _serving(kind: str, folder: Path, *load: str) -> AsyncIterator[int]:
    module = ("-m", "tests.bench.page_case", kind, str(folder / "ledger.db"))
    command = (sys.executable, *module, *load)
    log = (folder / f"{kind}.log").open("wb")
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=log)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = b""
        while not line.strip().isdigit():
            line = await process.stdout.readline()
            if not line:
                raise RuntimeError(f"{kind} did not start")
        yield int(line)
    finally:
        process.stdin.close()
        await process.wait()
        log.close()


async def _make_pages(path: Path) -> dict[str, str]:
    """Make a ledger with a page of each kind, and return their tokens."""
    wishes = {"unlimited": Wishes(), "counted": Wishes(most_downloads=PLENTY)}
    tokens = {}
    async with empty_ledger(path) as database:
        ledger = SqlLedger(database)
        for name, wish in wishes.items():
            now = SystemClock().now()
            accepted = await ledger.jobs.accept(make_origin(), make_file(), now, wish)
            assert accepted is not None
            job = await acquire(ledger, accepted, now)
            placement = Placement("relay-bench", "cn-hongkong", LinkMode.PAGE)
            key, ends = make_key(BOT_ID, "report.pdf"), now + timedelta(hours=23)
            stored = await ledger.objects.plan(job, key, ends, placement)
            await ledger.jobs.finish(job, stored, a_result(now, 1000), now)
            await ledger.answers.begin([job], None)
            tokens[name] = (await ledger.pages.of_jobs([job.id]))[job.id].page.token
    return tokens
