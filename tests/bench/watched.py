"""The bot as production runs it, in a process of its own that is measured from inside.

`python -m tests.bench.watched SETTINGS LOG` says `{"ready": true}` on standard output as soon as
the bot listens. Every line on standard input ends an interval, which is answered with its figures
as one line of JSON. The end of standard input stops the bot: it cannot outlive its parent.
"""

import asyncio
import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from bot.app import serve
from bot.cli.interpreter import favour_the_loop
from bot.logs import configure
from bot.settings import load
from tests.bench.gauge import Gauge


async def run(settings: Path) -> None:
    """Serve until standard input ends.

    Raises the errors of `serve`.
    """
    stop = asyncio.Event()
    async with Gauge() as gauge, asyncio.TaskGroup() as both:
        listening = both.create_task(_answer(gauge, stop))
        await serve(load(settings, os.environ), stop=stop, ready=lambda _: _settle())
        listening.cancel()


def _settle() -> None:
    favour_the_loop()
    _say({"ready": True})


async def _answer(gauge: Gauge, stop: asyncio.Event) -> None:
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while await lines.readline():
        _say(asdict(gauge.cut()))
    stop.set()


def _say(answer: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main(settings: str, log: str) -> None:
    """Run the bot for these settings; it logs into the file `log`."""
    # Ctrl-C goes to every process of a terminal; this one is stopped by its parent.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Path(log).open("a", encoding="utf-8") as stream:
        configure("info", "json", stream=stream)
        asyncio.run(run(Path(settings)))


if __name__ == "__main__":
    main(*sys.argv[1:])
