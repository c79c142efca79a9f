"""A process that kills itself at a chosen call of one of its adapters.

`before:OssBucket.complete:1` sends SIGKILL when the first call begins,
`after:OssBucket.complete:1` when it has returned and before its caller learns of it.
`before:OssBucket.abort:1:/tmp/first` does so only if no other process has made that file.
Methods are wrapped from outside, so that the program itself has no hooks.
"""

import functools
import inspect
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal

from bot.adapters.ledger import (
    recovery,
    runs,  # noqa: F401 -- the subclasses of a front shall be there to be wrapped.
    worker_runs,  # noqa: F401 -- those of a worker.
)
from bot.adapters.ledger.ledger import (
    SqlAnswers,
    SqlJobs,
    SqlObjects,
    SqlOutbox,
    SqlPages,
    SqlStatusMessages,
)
from bot.adapters.oss.bucket import OssBucket
from bot.adapters.telegram.messenger import TelegramMessenger
from bot.core.ports.runs import Role
from bot.jobs import remote

ADAPTERS: Final[Mapping[str, type]] = {
    adapter.__name__: adapter
    for adapter in (
        SqlJobs,
        SqlObjects,
        SqlAnswers,
        SqlStatusMessages,
        SqlOutbox,
        SqlPages,
        OssBucket,
        TelegramMessenger,
    )
}
_BOTH: Final = frozenset({Role.FRONT, Role.WORKER})
CALLERS: Final[Mapping[str, frozenset[Role]]] = {
    **dict.fromkeys(
        ("SqlJobs.accept", "SqlJobs.request_cancel", "SqlAnswers.begin", "SqlAnswers.sent"),
        frozenset({Role.FRONT}),
    ),
    **dict.fromkeys(
        (
            "SqlJobs.cancel",
            "SqlObjects.initiated",
            "SqlObjects.progressed",
            "OssBucket.initiate",
            "OssBucket.upload_part",
            "OssBucket.complete",
        ),
        frozenset({Role.WORKER}),
    ),
    # Each has a reaper.
    **dict.fromkeys(
        ("OssBucket.abort", "SqlObjects.removing", "SqlObjects.swept", "SqlObjects.gone"), _BOTH
    ),
}
"""Which process makes a call, where these are several."""


def callers(kill_point: str) -> frozenset[Role]:
    """Return the roles of the processes that can come to a kill point.

    Raises:
        KeyError: `CALLERS` does not tell.
    """
    return CALLERS[kill_point.split(":")[1]]


def hurry() -> None:
    """Let a front in this process wait for nothing that a test has made come early: it takes the
    jobs of a worker back as soon as its lease has ended, has them run again at once, and misses at
    once what the engine has lost.
    """
    for module, name, value in (
        (remote, "PATIENCE", 0.0),
        (remote, "ENGINE_EVERY", 0.0),
        (recovery, "WAIT_FOR_EACH_CRASH", timedelta(0)),
    ):
        setattr(module, name, value)


class Fuse:
    """Kills this process when it is touched for the time number `count`; with `first` only if no
    other process has made that file. Thread-safe.
    """

    def __init__(
        self, side: Literal["before", "after"], count: int, first: Path | None = None
    ) -> None:
        self.side = side
        self._left = count
        self._first = first
        self._lock = threading.Lock()

    def touch(self, side: Literal["before", "after"]) -> None:
        """Count one side of a call; does not return from the last one."""
        if side != self.side:
            return
        with self._lock:
            self._left -= 1
            if self._left == 0 and self._is_first():
                os.kill(os.getpid(), signal.SIGKILL)

    def _is_first(self) -> bool:
        if self._first is None:
            return True
        try:
            self._first.touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


def install(kill_point: str) -> None:
    """Wrap the method that `kill_point` names, for the rest of this process, with all that
    overrides it.

    Raises:
        KeyError, AttributeError, ValueError: there is no such method.
    """
    side, target, count, *first = kill_point.split(":", 3)
    if side not in {"before", "after"}:
        raise ValueError(f"{side} is neither before nor after")
    name, method = target.split(".")
    fuse = Fuse("before" if side == "before" else "after", int(count), *map(Path, first))
    adapter = ADAPTERS[name]
    # A method of a class above it would be wrapped for others too.
    found = [one for one in (adapter, *_below(adapter)) if method in vars(one)]
    if adapter not in found:
        raise AttributeError(f"{name} has no {method} of its own")
    for one in found:
        setattr(one, method, _wrap(getattr(one, method), fuse))


def _below(adapter: type) -> Iterator[type]:
    subclasses: list[type] = adapter.__subclasses__()
    for one in subclasses:
        yield one
        yield from _below(one)


def _wrap(method: Callable[..., Any], fuse: Fuse) -> Callable[..., Any]:
    @functools.wraps(method)
    async def wait(*args: Any, **kwargs: Any) -> Any:
        fuse.touch("before")
        result = await method(*args, **kwargs)
        fuse.touch("after")
        return result

    @functools.wraps(method)
    def block(*args: Any, **kwargs: Any) -> Any:
        fuse.touch("before")
        result = method(*args, **kwargs)
        fuse.touch("after")
        return result

    return wait if inspect.iscoroutinefunction(method) else block
