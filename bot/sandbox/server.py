"""Base of both stand-ins, a server on loopback: start, stop, port, clock, log, faults, shape."""

import socket
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from aiohttp import web

from bot.sandbox.clock import SandboxClock
from bot.sandbox.control import Control
from bot.sandbox.faults import FaultScript
from bot.sandbox.request_log import RequestLog
from bot.sandbox.shaping import Bandwidth, Shape

LOOPBACK: Final = "127.0.0.1"
SHUTDOWN_TIMEOUT: Final = 0.5
"""Seconds that requests may still run after `stop`."""


class LoopbackServer(ABC):
    """An HTTP server on 127.0.0.1 that runs while its `async with` block runs.

    Use it from the event loop that started it. `log` holds every request, `faults` the faults to
    come, `clock` is the time of the service. `stop` and `start` inside the block are an outage:
    the state and the port stay.
    """

    receive_buffer: int | None = None
    """Bytes that the kernel buffers per connection; `None` leaves the default."""

    def __init__(
        self,
        *,
        clock: SandboxClock | None,
        shape: Shape | None,
        faults: FaultScript | None,
        port: int,
    ) -> None:
        self.clock = clock or SandboxClock()
        self.faults = faults or FaultScript()
        self.faults.now = lambda: self.clock.now().timestamp()
        self.log = RequestLog()
        self.bandwidth = Bandwidth(shape or Shape())
        self._port = port
        self._runner: web.BaseRunner | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()
        self._close()

    async def start(self) -> None:
        """Bind to 127.0.0.1 and answer requests; after `stop`, at the same port.

        Raises:
            OSError: the port is taken.
        """
        self._runner = self._make_runner()
        await self._runner.setup()
        listener = _listen(self._port, self.receive_buffer)
        self._port = listener.getsockname()[1]
        await web.SockSite(self._runner, listener).start()
        await self._start_tasks()

    async def stop(self) -> None:
        """Break open connections and free the port; does nothing when stopped."""
        await self._stop_tasks()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a control call or a request of the service."""
        control = self._control()
        if request.path.startswith(control.prefix):
            return await control.handle(request)
        return await self._exchange(request)

    @property
    def port(self) -> int:
        """Return the port that is bound, or the requested one before the start."""
        return self._port

    @property
    def control_url(self) -> str:
        """Return the URL for the remote client of this stand-in."""
        return f"http://{LOOPBACK}:{self._port}"

    @property
    def shape(self) -> Shape:
        """Return latency and bandwidth; may be changed or replaced at any time."""
        return self.bandwidth.shape

    @shape.setter
    def shape(self, shape: Shape) -> None:
        self.bandwidth.shape = shape

    async def wait_for(self, condition: Callable[[], bool], timeout: float = 20.0) -> None:
        """Wait until `condition` holds; it is checked after every request and change.

        Raises:
            TimeoutError: it did not hold in time (real seconds).
        """
        await self.log.wait_for(condition, timeout=timeout)

    @abstractmethod
    def _make_runner(self) -> web.BaseRunner:
        """Return a new runner whose requests go to `handle`."""

    @abstractmethod
    def _control(self) -> Control:
        """Return the control verbs."""

    @abstractmethod
    async def _exchange(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request of the service's own protocol."""

    @abstractmethod
    async def _start_tasks(self) -> None:
        """Start what runs beside the server."""

    @abstractmethod
    async def _stop_tasks(self) -> None:
        """Stop what runs beside the server; called before the port is freed."""

    def _close(self) -> None:  # noqa: B027 (optional: only OSS holds something open.)
        """Release what outlives an outage."""


def _listen(port: int, receive_buffer: int | None) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if receive_buffer is not None:
        # Accepted connections inherit it; it must be set before they exist.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    try:
        listener.bind((LOOPBACK, port))
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)  # noqa: FBT003 - the signature of the standard library.
    return listener
