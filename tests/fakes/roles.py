"""A front and a worker in the process of a test, in the place of a bot that does everything."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

from bot.app import serve
from bot.core.ports import Clock
from bot.core.ports.runs import Role
from bot.demo.local_stack import LocalStack
from bot.settings import Settings, load
from bot.worker import serve_worker
from tests.fakes.ledger import execute, place_of


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


@dataclass
class Served:
    """A front or a worker that runs in the process of a test."""

    task: "asyncio.Task[None]"
    stop: asyncio.Event
    ready: asyncio.Event

    async def end(self) -> None:
        """Stop it as SIGTERM does, and wait for its end."""
        self.stop.set()
        await self.task

    async def until_ready(self) -> None:
        """Wait until it listens, or takes jobs; raise what it ends with before."""
        waiting = asyncio.create_task(self.ready.wait())
        await asyncio.wait({waiting, self.task}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self.task.done():
            await self.task


class Cluster:
    """Fronts and workers of a stage, all in the process of a test; they end with the block."""

    def __init__(self, stage: LocalStack, *users: int) -> None:
        self.stage = stage
        self._users = users
        self._served: list[Served] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for served in reversed(self._served):
            served.stop.set()
            await asyncio.wait({served.task})

    def begin(self, role: Role, name: str = "", **more: str) -> Served:
        """Begin a process, without waiting for anything. `more` are further settings."""
        variables = self.stage.variables(*self._users) | more
        if role is Role.WORKER:
            variables |= {
                "RELAY_WORKER__NAME": name,
                "RELAY_SPOOL__FOLDER": str(self.stage.folder / f"spool-{name}"),
            }
        stop, ready = asyncio.Event(), asyncio.Event()
        run: Callable[..., Coroutine[Any, Any, None]] = (
            serve_worker if role is Role.WORKER else partial(serve, role=role)
        )
        task = asyncio.create_task(
            run(
                load(None, variables),
                stop=stop,
                clock=self.stage.clock,
                ready=lambda _: ready.set(),
            )
        )
        self._served.append(Served(task, stop, ready))
        return self._served[-1]

    async def front(self, **more: str) -> Served:
        """Begin a front, and wait until it listens."""
        begun = self.begin(Role.FRONT, **more)
        await begun.until_ready()
        return begun

    async def worker(self, name: str, **more: str) -> Served:
        """Begin a worker, and wait until it takes jobs."""
        begun = self.begin(Role.WORKER, name, **more)
        await begun.until_ready()
        return begun

    def query(self, statement: str) -> list[Any]:
        """Read or write the ledger as another program would."""
        return execute(place_of(self.stage), statement)

    async def until(self, statement: str, wanted: list[Any]) -> None:
        """Wait until the ledger says so."""
        async with asyncio.timeout(PATIENCE):
            while self.query(statement) != wanted:  # noqa: ASYNC110 -- nothing tells of a change.
                await asyncio.sleep(0.05)


PATIENCE = 30.0
