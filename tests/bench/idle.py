"""Start, idle memory and the command line, above the libraries that the bot is made of."""

import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.report import Sheet, bar, spread
from tests.bench.rivals import STRAIGHTFORWARD, UNCOUNTED, running_rival

LIBRARIES: Final = (
    "aiofiles", "aiohttp", "alibabacloud_oss_v2", "fastcrc", "fluent.runtime",
    "prometheus_client", "pydantic", "pydantic_settings", "sqlalchemy", "stamina", "structlog",
    "telegram.ext", "typer",
)  # fmt: skip
"""What a running bot imports of others."""
MIB: Final = 1 << 20
_IMPORTS: Final = f"""
import json, os, resource, sys
import {", ".join(LIBRARIES)}
if "program" in sys.argv:
    import bot.app, bot.cli.run
used = resource.getrusage(resource.RUSAGE_SELF)
pages = int(open("/proc/self/statm").read().split()[1])
print(json.dumps([used.ru_utime + used.ru_stime, pages * os.sysconf("SC_PAGE_SIZE")]))
"""


@dataclass(frozen=True, slots=True)
class Process:
    """Seconds of CPU up to the first poll, and bytes of memory then."""

    cpu: float
    memory: int


def measure(pairs: int = 9) -> Sheet:
    """Compare a bot that has just begun to poll with its libraries alone."""
    libraries, ours, straightforward = list[Process](), list[Process](), list[Process]()
    modules = list[Process]()
    versions, helps = list[float](), list[float]()
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as name:
        for number in range(pairs):
            versions.append(_command("--version"))
            helps.append(_command("--help"))
            libraries.append(_imported())
            modules.append(_imported("program"))
            for who, runs in ((UNCOUNTED, ours), (STRAIGHTFORWARD, straightforward)):
                runs.append(asyncio.run(_started(who, Path(name) / f"{who}{number}")))
    cpu = [one.cpu - other.cpu for one, other in zip(ours, libraries, strict=True)]
    floor = [one.cpu - other.cpu for one, other in zip(modules, libraries, strict=True)]
    memory = [
        (one.memory - other.memory) / MIB for one, other in zip(ours, libraries, strict=True)
    ]
    rows = [
        (
            "CPU to the first poll, above the libraries",
            *_seconds(cpu, libraries, straightforward),
            bar(cpu, 0.2, "{:.2f} s"),
        ),
        (
            "of it the import of the program's modules",
            spread(floor, "{:.2f} s"),
            "",
            "",
            "",
        ),
        (
            "memory at the first poll, above the libraries",
            spread(memory, "{:.0f} MiB"),
            spread([one.memory / MIB for one in libraries], "{:.0f} MiB"),
            spread([one.memory / MIB for one in straightforward], "{:.0f} MiB"),
            bar(memory, 20, "{:.0f} MiB"),
        ),
        (
            "relay-bot --version",
            spread(versions, "{:.2f} s"),
            "",
            "",
            bar(versions, 0.2, "{:.1f} s"),
        ),
        ("relay-bot --help", spread(helps, "{:.2f} s"), "", "", ""),
    ]
    columns = ("figure", "ours", "libraries alone", "straightforward bot", "bar")
    return Sheet("idle: start, memory and the command line", columns, rows)


def _seconds(
    above: Sequence[float], libraries: Sequence[Process], straightforward: Sequence[Process]
) -> tuple[str, str, str]:
    form = "{:.2f} s"
    return (
        spread(above, form),
        spread([one.cpu for one in libraries], form),
        spread([one.cpu for one in straightforward], form),
    )


def _imported(*more: str) -> Process:
    """Import the libraries, and the program's modules if asked to."""
    done = subprocess.run(
        [sys.executable, "-c", _IMPORTS, *more], capture_output=True, check=True, text=True
    )
    return Process(*json.loads(done.stdout))


def _command(option: str) -> float:
    """Return the seconds of CPU of a command that ends at once."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "bot", option], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


async def _started(who: str, folder: Path) -> Process:
    await asyncio.to_thread(os.mkdir, folder)
    async with running_rival(who, folder) as rival:
        return Process(rival.cpu(), rival.memory())
