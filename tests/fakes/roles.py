"""A front and a worker in the process of a test, in the place of a bot that does everything."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from bot.app import serve
from bot.core.ports import Clock
from bot.core.ports.runs import Role
from bot.settings import Settings
from bot.worker import serve_worker


def settings_of_worker(settings: Settings, name: str = "worker") -> Settings:
    """Return the settings of a worker beside a front with these: a name of its own, and no port.
    The spool is left to the worker.
    """
    web = settings.web.model_copy(update={"port": None, "url": None})
    worker = settings.worker.model_copy(update={"name": name})
    return settings.model_copy(update={"web": web, "worker": worker})


async def serve_both(
    settings: Settings,
    *,
    stop: asyncio.Event,
    clock: Clock | None = None,
    ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Run a front and one worker until `stop` is set, as `serve` does for a bot in one process;
    the worker ends first, as an operator would do it.
    """
    front_stops, worker_stops = asyncio.Event(), asyncio.Event()
    name: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    works = asyncio.Event()
    front = asyncio.create_task(
        serve(settings, stop=front_stops, clock=clock, ready=name.set_result, role=Role.FRONT)
    )
    worker = asyncio.create_task(
        serve_worker(
            settings_of_worker(settings),
            stop=worker_stops,
            clock=clock,
            ready=lambda _: works.set(),
        )
    )
    tasks: set[asyncio.Future[Any]] = {front, worker}
    begun: asyncio.Future[Any] = asyncio.gather(name, works.wait())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({*tasks, begun, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if begun.done() and not stopping.done():
            ready(name.result())
            await asyncio.wait({*tasks, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        worker_stops.set()
        await asyncio.wait({worker})
        front_stops.set()
        await asyncio.wait({front})
        for waiter in (begun, stopping):
            waiter.cancel()
            with suppress(asyncio.CancelledError):
                await waiter
    # First that of the front: it is the one that a bot in one process would end with.
    await front
    await worker
