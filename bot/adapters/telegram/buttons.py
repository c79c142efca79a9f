"""Buttons as data: what they say and what a press does."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bot.core.ports.chat import Listing

LONGEST_COPIED: Final = 256
"""Characters that a button can copy (source: Bot API, "CopyTextButton")."""

LONGEST_ROW: Final = 4
"""Numbered buttons in a row; more are too narrow on a phone."""

MOST_BUTTONS: Final = 100
"""Buttons below one message (source: Telegram's servers refuse more with
REPLY_MARKUP_TOO_LONG).
"""


class Action(StrEnum):
    """What a press asks for. The values are part of buttons that are out there: never rename."""

    CANCEL = "cancel"
    """Stop the job while it waits or runs."""
    DELETE = "delete"
    """End the link and delete the file now."""
    CANCEL_ALL = "cancelall"
    """Stop all jobs of an album that are left; any of them names it."""


@dataclass(frozen=True, slots=True)
class JobButton:
    """A press of one of our own buttons that is about a job."""

    action: Action
    job_id: int


@dataclass(frozen=True, slots=True)
class PageButton:
    """A press that turns the page of a list, or shows the same page anew. `subject` is the person
    or group whose list it is.
    """

    listing: Listing
    subject: int
    page: int


@dataclass(frozen=True, slots=True)
class LanguageButton:
    """A press that chooses a language for a person; `number` is its place in the list of those
    that can be chosen.
    """

    owner_id: int
    number: int


ButtonData = JobButton | PageButton | LanguageButton
"""What a button can ask for."""


@dataclass(frozen=True, slots=True)
class Button:
    """A button: `text`, and exactly one of what it opens, copies, or asks for."""

    text: str
    url: str | None = None
    copies: str | None = None
    press: ButtonData | None = None


Buttons = tuple[tuple[Button, ...], ...]
"""Rows of buttons, from top to bottom."""


def rows(buttons: Sequence[Button], width: int = LONGEST_ROW) -> Buttons:
    """Lay buttons out in rows of at most `width`."""
    return tuple(tuple(buttons[start : start + width]) for start in range(0, len(buttons), width))


def only_presses(buttons: Buttons) -> Buttons:
    """Return the buttons that ask the bot for something, without those that open or copy."""
    kept = (tuple(button for button in row if button.press is not None) for row in buttons)
    return tuple(row for row in kept if row)
