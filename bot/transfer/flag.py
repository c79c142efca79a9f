"""The flag that stops the threads of one transfer, and what hears it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bot.core.errors import TransferCancelled

_running = threading.local()


class CancelFlag:
    """Raised once, never lowered. Everything here is thread-safe.

    Three kinds of code hear it: bodies look at it at every block, waits between attempts end with
    it, and sockets that hang are cut by a callback.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        # Reentrant, because a callback may end up in code that unregisters another one.
        self._lock = threading.RLock()
        self._callbacks: list[Callable[[], None]] = []

    @property
    def is_set(self) -> bool:
        """Whether the transfer must stop."""
        return self._event.is_set()

    def set(self) -> None:
        """Raise the flag and run the callbacks in this thread; they must neither block nor
        raise.
        """
        self._event.set()
        with self._lock:
            for callback in list(self._callbacks):
                callback()

    def raise_if_set(self) -> None:
        """Raise `TransferCancelled` if the transfer must stop."""
        if self.is_set:
            raise TransferCancelled("the transfer was told to stop")

    def wait(self, seconds: float) -> bool:
        """Block for `seconds`, or until the flag is raised; return whether it is."""
        return self._event.wait(seconds)

    @contextmanager
    def calling(self, callback: Callable[[], None]) -> Iterator[None]:
        """Run `callback` when the flag is raised inside the block, at once if it is already.

        When the block has been left, the callback neither runs nor will run: a socket that went
        back to the pool is never cut on behalf of its former user.
        """
        with self._lock:
            self._callbacks.append(callback)
            if self.is_set:
                callback()
        try:
            yield
        finally:
            with self._lock:
                self._callbacks.remove(callback)


def current_flag() -> CancelFlag | None:
    """Return the flag of the transfer that this thread works for, `None` outside of one."""
    flag: CancelFlag | None = getattr(_running, "flag", None)
    return flag


@contextmanager
def working_for(flag: CancelFlag | None) -> Iterator[None]:
    """Name the flag that everything below in this thread hears.

    `None` hides an outer one, for a request that must run to its answer whatever happens.
    """
    outer = current_flag()
    _running.flag = flag
    try:
        yield
    finally:
        _running.flag = outer
