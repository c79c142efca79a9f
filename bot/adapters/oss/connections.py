"""Connections that end at once when cancelled, when they stall, and at the deadline of a call."""

import fcntl
import heapq
import select
import socket
import struct
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from requests.adapters import HTTPAdapter
from urllib3 import PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.response import HTTPResponse
from urllib3.util import Retry

from bot.adapters.oss.errors import TRANSLATED, raise_translated
from bot.transfer.body import BLOCK


@dataclass(order=True, slots=True)
class _Entry:
    at: float
    number: int
    act: Callable[[], None] | None = field(compare=False)
    """`None` once the call has ended."""


class DeadlineThread:
    """Calls what is overdue; its daemon thread begins with the first deadline. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._entries: list[_Entry] = []
        self._number = 0
        self._runs = False

    @contextmanager
    def after(self, seconds: float, act: Callable[[], None]) -> Iterator[None]:
        """Call `act` if the block takes longer than `seconds`; `act` must neither block nor
        raise, and is not under way any more when the block has been left.
        """
        entry = self._add(time.monotonic() + seconds, act)
        try:
            yield
        finally:
            with self._changed:
                entry.act = None

    def _add(self, at: float, act: Callable[[], None]) -> _Entry:
        with self._changed:
            self._number += 1
            entry = _Entry(at, self._number, act)
            heapq.heappush(self._entries, entry)
            if not self._runs:
                self._runs = True
                threading.Thread(target=self._run, name="oss-deadlines", daemon=True).start()
            elif self._entries[0] is entry:
                self._changed.notify()
            return entry

    def _run(self) -> None:
        with self._changed:
            while True:
                left = self._act_on_overdue()
                self._changed.wait(left)

    def _act_on_overdue(self) -> float | None:
        """Return the seconds until the next deadline, `None` without one."""
        while self._entries:
            first = self._entries[0]
            left = first.at - time.monotonic()
            if first.act is not None:
                if left > 0:
                    return left
                first.act()
            heapq.heappop(self._entries)
        return None


DEADLINES: Final = DeadlineThread()
"""That of the process."""


_thread = threading.local()


class CancellableConnection:
    """The socket of one request. Times are seconds: one block of the body must get through within
    `send_deadline`, the whole request within `deadline`. Where that is `None`, because the
    time that the body takes is unknown, connecting and the answer have `answer_deadline` each.
    """

    def __init__(
        self, send_deadline: float, *, answer_deadline: float, deadline: float | None = None
    ) -> None:
        self.send_deadline = send_deadline
        self.is_cut = False
        """Whether the request was ended; what came of it counts for nothing, also where it looks
        like an answer.
        """
        self._deadline = deadline
        self._answer_deadline = answer_deadline
        self._ending = ExitStack()
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    def attach(self, sock: socket.socket) -> None:
        """Register the socket that the request uses; close it at once if `cut` was called
        before.
        """
        with self._lock:
            self._socket = sock
            if self.is_cut:
                _shut_down(sock)

    def cut(self) -> None:
        """End the request, from any thread: every call that blocks on the socket returns."""
        with self._lock:
            self.is_cut = True
            if self._socket is not None:
                _shut_down(self._socket)

    @contextmanager
    def in_this_thread(self) -> Iterator[None]:
        """Register the sockets of the request that this thread makes inside the block."""
        _thread.wire = self
        try:
            with self._ending:
                if self._deadline is not None:
                    self._ending.enter_context(DEADLINES.after(self._deadline, self.cut))
                yield
        finally:
            _thread.wire = None

    @contextmanager
    def connecting(self) -> Iterator[None]:
        """Bound the time of the block, in which the connection is made."""
        with DEADLINES.after(self._answer_deadline, self.cut):
            yield

    def await_answer(self) -> None:
        """Bound the time from now to the end of the request."""
        if self._deadline is None:
            self._ending.enter_context(DEADLINES.after(self._answer_deadline, self.cut))


def _shut_down(sock: socket.socket) -> None:
    # The method of the plain socket, also for TLS: that of SSLSocket removes the encryption first,
    # and a thread in the middle of sending would continue in clear text until the shutdown.
    with suppress(OSError):  # It is closed already, or was never connected.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _current_wire() -> CancellableConnection | None:
    wire: CancellableConnection | None = getattr(_thread, "wire", None)
    return wire


Dial = Callable[[str, int, float | None], socket.socket]
"""Connects to a host and port within seconds, through a proxy. Raises `OSError`."""


class _Announcing(HTTPConnection):
    """Passes its socket to the `CancellableConnection` of the thread, and separates the deadline
    for sending from that for connecting, which urllib3 does not. `dial` connects, if given.
    """

    def __init__(self, *args: Any, dial: Dial | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._dial = dial

    def connect(self) -> None:
        wire = _current_wire()
        if wire is None:
            super().connect()
            return
        with ExitStack() as handles:
            self._handles = handles
            with wire.connecting():
                super().connect()
            self._announce()

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn() if self._dial is None else self._dialled(self._dial)
        wire = _current_wire()
        if wire is not None:
            # TLS takes the descriptor away from this object before its handshake; a duplicate
            # goes on standing for the same connection.
            wire.attach(self._handles.enter_context(sock.dup()))
        return sock

    def _dialled(self, dial: Dial) -> socket.socket:
        timeout = self.timeout if isinstance(self.timeout, int | float) else None
        try:
            return dial(self.host, self.port or 0, timeout)
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"no connection to {self.host}") from error
        except OSError as error:
            raise NewConnectionError(self, f"no connection to {self.host}: {error}") from error

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._announce()
        super().request(*args, **kwargs)

    def send(self, data: Any) -> None:
        """Send a large body in blocks, such as the list of thousands of parts: each `sendall` has
        one deadline for all that it is given.
        """
        if not isinstance(data, bytes) or len(data) <= BLOCK:
            super().send(data)
            return
        for offset in range(0, len(data), BLOCK):
            super().send(data[offset : offset + BLOCK])

    def _announce(self) -> None:
        wire = _current_wire()
        if wire is None or self.sock is None:
            return
        wire.attach(self.sock)
        self.timeout = wire.send_deadline
        self.sock.settimeout(wire.send_deadline)

    def getresponse(self) -> HTTPResponse:  # type: ignore[override] # as urllib3 has it.
        wire = _current_wire()
        if wire is not None and self.sock is not None:
            _wait_until_sent(self.sock, wire.send_deadline)
            wire.await_answer()
        return super().getresponse()


class _AnnouncingTls(_Announcing, HTTPSConnection):
    """The same over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Announcing


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _AnnouncingTls


_POOLS: Final = {"http": _Pool, "https": _TlsPool}


class _DialledPools(PoolManager):
    """Pools whose connections are made by `dial`."""

    def __init__(self, dial: Dial, connections: int) -> None:
        super().__init__(num_pools=connections, maxsize=connections)
        self.pool_classes_by_scheme = _POOLS
        self._dial = dial

    def _new_pool(self, *args: Any, **kwargs: Any) -> HTTPConnectionPool:
        pool = super()._new_pool(*args, **kwargs)
        pool.ConnectionCls = partial(pool.ConnectionCls, dial=self._dial)  # type: ignore[assignment,call-arg] # ours, and only called.
        return pool


class _TowardsProxy:
    """Connects to a SOCKS proxy, so that what the library then says to it can be cut too."""

    def connect(self, dest_host: str, dest_port: int, timeout: float | None = None) -> Any:
        sock = socket.create_connection((dest_host, dest_port), timeout)
        wire = _current_wire()
        if wire is not None:
            wire.attach(sock)
        return sock


def _socks_dial(url: str) -> Dial:
    """Return what connects through a SOCKS proxy, which resolves the names, as for Telegram.

    Raises:
        RuntimeError: the library for that is not installed.
    """
    try:
        # An optional dependency, which few need.
        from python_socks import ProxyError, ProxyTimeoutError
        from python_socks.sync import Proxy
    except ImportError as error:
        raise RuntimeError(
            "oss.proxy: SOCKS needs the extra of that name: file-relay-bot[socks]"
        ) from error
    # The library knows only the plain word.
    given = url.replace("socks5h://", "socks5://", 1)
    proxy = Proxy.from_url(given, rdns=True, forward=_TowardsProxy())

    def dial(host: str, port: int, timeout: float | None) -> socket.socket:
        try:
            return proxy.connect(host, port, timeout=timeout)
        except ProxyTimeoutError as error:
            raise TimeoutError(str(error)) from error
        except ProxyError as error:
            raise OSError(f"the proxy refuses: {error}") from error

    return dial


class CancellableAdapter(HTTPAdapter):
    """The transport of a requests session with cancellable connections; never retries.

    Raises:
        RuntimeError: `proxy` is a SOCKS proxy, and the library for that is not installed.
    """

    def __init__(self, connections: int, *, proxy: str | None = None) -> None:
        is_socks = proxy is not None and proxy.lower().startswith("socks")
        dial = _socks_dial(proxy) if proxy is not None and is_socks else None
        self._dialled = None if dial is None else _DialledPools(dial, connections)
        never = Retry(total=False, redirect=False, raise_on_status=False)
        super().__init__(pool_connections=connections, pool_maxsize=connections, max_retries=never)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Use our connection classes."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Use our connection classes for proxies too."""
        if self._dialled is not None:
            return self._dialled
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def close(self) -> None:
        """Close idle connections, those through a proxy too."""
        super().close()
        if self._dialled is not None:
            self._dialled.clear()


def _wait_until_sent(sock: socket.socket, deadline: float) -> None:
    """Wait until the kernel has sent the body, or an answer has arrived.

    The kernel buffers megabytes, so a body is accepted long before it arrives; a fixed time-out
    for the answer could not tell a slow connection from a dead one.

    Raises:
        TimeoutError: less than a block was sent within `deadline`.
    """
    waiting = select.poll()
    waiting.register(sock, select.POLLIN)
    left = _unsent(sock)
    while left and not waiting.poll(deadline * 1000):
        before, left = left, _unsent(sock)
        if before - left < min(BLOCK, before):
            raise TimeoutError(f"{before - left} bytes in {deadline:.0f} s")


def _unsent(sock: socket.socket) -> int:
    # SIOCOUTQ of tcp(7): bytes that the other side has not acknowledged. If the system lacks it,
    # the time-out for the answer must suffice.
    try:
        answer = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4))
    except OSError:
        return 0
    unsent: int = struct.unpack("i", answer)[0]
    return unsent


@contextmanager
def translated(operation: str = "OSS") -> Iterator[None]:
    """Translate the errors of the block. One attempt, one error; `TransferCancelled` propagates
    unchanged.

    `operation` begins the text of an error that does not name the call itself.
    """
    try:
        yield
    except TRANSLATED as error:
        raise_translated(error, operation)
