"""Answers and updates that python-telegram-bot cannot read.

The library reads JSON without checking it: what is missing or of another type comes out as any of
`UNREADABLE`, from deep inside. Other servers than Telegram's own, and proxies, send such things.
"""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from telegram.error import TelegramError

UNREADABLE: Final = (
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    ArithmeticError,  # OverflowError, from a date; OSError likewise.
    OSError,
    RecursionError,
)


class UnreadableAnswer(TelegramError):
    """There was an answer, and the library could not read it; whether the call was applied is
    unknown. The text has nothing of the answer.
    """


@contextmanager
def readable_answers() -> Iterator[None]:
    """Turn what the library raises inside while it reads an answer into `UnreadableAnswer`.

    Errors that do not come from inside the library are defects of ours and pass untouched.
    """
    try:
        yield
    except UNREADABLE as error:
        if not _came_from_library(error):
            raise
        raise UnreadableAnswer(f"unreadable answer: {type(error).__name__}") from error


def _came_from_library(error: BaseException) -> bool:
    modules = (
        frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)
    )
    return any(module.partition(".")[0] == "telegram" for module in modules)
