"""Ports whose calls are recorded, one of which raises once: what is needed for a matrix of every
method with every error.
"""

import inspect
import random
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

ERRORS: Sequence[Exception] = (
    MemoryError("no room"),
    sqlite3.OperationalError("database is locked"),
    RuntimeError("can't start new thread"),
    OSError(24, "Too many open files"),
    KeyError("x"),
    TypeError("x"),
    ValueError("x"),
    AttributeError("x"),
    RecursionError("x"),
    ZeroDivisionError("x"),
)
SEED = 1


class Recorder:
    """Records the methods of ports that are called, and lets one of them raise once."""

    def __init__(self, fails: str = "", error: Exception | None = None) -> None:
        self.called: dict[str, int] = {}
        self._fails = fails
        self._error = error

    def enter(self, name: str) -> None:
        """Record a call; raise if it is its turn."""
        self.called[name] = self.called.get(name, 0) + 1
        if name == self._fails and self._error is not None:
            error, self._error = self._error, None
            raise error

    @property
    def has_failed(self) -> bool:
        """Return whether nothing is left to raise."""
        return self._error is None

    def port(self, name: str, implementation: Any) -> Any:
        """Return a port that records its calls and passes them on."""
        return Recorded(self, name, implementation)


class Recorded:
    """A port whose calls are recorded."""

    def __init__(self, recorder: Recorder, name: str, implementation: Any) -> None:
        self._recorder = recorder
        self._name = name
        self._implementation = implementation

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._implementation, method)
        if method.startswith("_") or not callable(found):
            return found
        name = f"{self._name}.{method}"

        async def later(*args: Any, **kwargs: Any) -> Any:
            self._recorder.enter(name)
            return await found(*args, **kwargs)

        def at_once(*args: Any, **kwargs: Any) -> Any:
            self._recorder.enter(name)
            return found(*args, **kwargs)

        return later if inspect.iscoroutinefunction(found) else at_once


@contextmanager
def naming(what: str) -> Iterator[None]:
    """Say in which case an assertion failed."""
    try:
        yield
    except AssertionError as error:
        error.add_note(what)
        raise


def sample(methods: Sequence[str]) -> list[tuple[str, Exception]]:
    """Return every method with one of the errors, which the seed chooses."""
    chosen = random.Random(SEED)  # noqa: S311 -- a sample, not a secret.
    return [(method, chosen.choice(ERRORS)) for method in methods]


def every(methods: Sequence[str]) -> list[tuple[str, Exception]]:
    """Return every method with every error."""
    return [(method, error) for method in methods for error in ERRORS]
