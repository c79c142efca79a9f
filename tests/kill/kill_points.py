"""A process that kills itself at a chosen call of one of its adapters.

`before:OssBucket.complete:1` sends SIGKILL when the first call begins,
`after:OssBucket.complete:1` when it has returned and before its caller learns of it.
Methods are wrapped from outside, so that the program itself has no hooks.
"""

import functools
import inspect
import os
import signal
import threading
from collections.abc import Callable
from typing import Any, Final, Literal

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

ADAPTERS: Final = {
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


class Fuse:
    """Kills this process when it is touched for the time number `count`. Thread-safe."""

    def __init__(self, side: Literal["before", "after"], count: int) -> None:
        self.side = side
        self._left = count
        self._lock = threading.Lock()

    def touch(self, side: Literal["before", "after"]) -> None:
        """Count one side of a call; does not return from the last one."""
        if side != self.side:
            return
        with self._lock:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def install(kill_point: str) -> None:
    """Wrap the method that `kill_point` names, for the rest of this process.

    Raises:
        KeyError, AttributeError, ValueError: there is no such method.
    """
    side, target, count = kill_point.split(":")
    if side not in {"before", "after"}:
        raise ValueError(f"{side} is neither before nor after")
    name, method = target.split(".")
    adapter = ADAPTERS[name]
    fuse = Fuse("before" if side == "before" else "after", int(count))
    setattr(adapter, method, _wrap(getattr(adapter, method), fuse))


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
