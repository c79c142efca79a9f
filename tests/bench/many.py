"""Many files of gigabytes at once through a Bot API server of one's own: the memory of the bot."""

import asyncio
import re
import tempfile
from pathlib import Path
from typing import Final

from aiohttp import ClientSession

from bot.sandbox.telegram.flood import FloodMode
from tests.bench.report import Sheet, bar, spread
from tests.bench.sink import build_sink, serving
from tests.bench.stage import Sandbox, running_bot, running_sandbox

FILES: Final = 20
SIZE: Final = 2 << 30
MIB: Final = 1 << 20
IDLE: Final = 2.0
LOOKS: Final = 6
LOOK_EVERY: Final = 3.0
"""Seconds: all files run for all of them, as no machine sends 40 GiB meanwhile."""
LIMIT: Final = 60.0
"""MiB more than idle."""


def measure() -> Sheet:
    """Let all files run at once, and look at the memory."""
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as name:
        binary = build_sink(Path(name))
        if binary is None:
            return Sheet("many", ("not measured: the C sink could not be built",), [])
        with serving(binary, latency=0, rate=0) as endpoint:
            idle, more, sent = asyncio.run(_measure(Path(name), endpoint))
    rows = [
        ("idle", f"{idle:.0f} MiB", ""),
        ("more while all run", spread(more, "{:.0f} MiB"), bar(more, LIMIT, "{:.0f} MiB")),
        ("most", f"{max(more):.0f} MiB", bar([max(more)], LIMIT, "{:.0f} MiB")),
        ("uploaded meanwhile", f"{sent / (1 << 30):.1f} GiB", ""),
    ]
    title = f"many: {FILES} files of {SIZE >> 30} GiB at once in local mode"
    notes = [f"Sparse files, a sink that discards. {LOOKS} looks, {LOOK_EVERY:.0f} s apart."]
    return Sheet(title, ("memory", "of the bot", "bar"), rows, notes)


async def _measure(folder: Path, endpoint: str) -> tuple[float, list[float], int]:
    path = folder / "sparse.bin"
    await asyncio.to_thread(_make, path)
    at_once = {"RELAY_TRANSFER__AT_ONCE": str(FILES), "RELAY_TRANSFER__PER_OWNER": str(FILES)}
    async with running_sandbox(folder / "sandbox", "--local") as sandbox:
        await asyncio.to_thread(_send_elsewhere, sandbox, endpoint)
        async with running_bot(sandbox, at_once) as bot:
            await sandbox.telegram.set_flood(FloodMode.OFF)
            await bot.window()
            await asyncio.sleep(IDLE)
            idle = (await bot.window()).memory / MIB
            for number in range(FILES):
                await sandbox.chat.send_file(sandbox.user, content=path, name=f"{number}.bin")
            more = []
            for _ in range(LOOKS):
                await asyncio.sleep(LOOK_EVERY)
                more.append((await bot.window()).memory / MIB - idle)
            return idle, more, await _sent(endpoint)


async def _sent(endpoint: str) -> int:
    """Return the bytes that the sink has taken."""
    async with ClientSession() as session, session.get(f"{endpoint}/__stats") as answer:
        found = re.search(r"bytes=(\d+)", await answer.text())
    return int(found[1]) if found else 0


def _make(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(SIZE)


def _send_elsewhere(sandbox: Sandbox, endpoint: str) -> None:
    text = sandbox.settings.read_text(encoding="utf-8")
    elsewhere = re.sub(r'endpoint = ".*"', f'endpoint = "{endpoint}"', text)
    sandbox.settings.write_text(elsewhere, encoding="utf-8")
