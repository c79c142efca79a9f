"""Buttons: their texts, their actions, and their signed callback data."""

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from telegram import CopyTextButton, InlineKeyboardButton, InlineKeyboardMarkup

from bot.core.ports.views import Listing, PageOption

LONGEST_COPIED: Final = 256
"""Characters that a button can copy (source: Bot API, "CopyTextButton")."""

LONGEST_ROW: Final = 4
"""Numbered buttons in a row; more are too narrow on a phone."""

MOST_BUTTONS: Final = 100
"""Buttons below one message (source: Telegram's servers refuse more with
REPLY_MARKUP_TOO_LONG).
"""


class Action(StrEnum):
    """The actions of buttons. The values are part of the data of sent buttons: never rename."""

    CANCEL = "cancel"
    """Stop the job while it waits or runs."""
    DELETE = "delete"
    """End the link and delete the file now."""
    CANCEL_ALL = "cancelall"
    """Stop all unfinished jobs of an album; the data names any of them."""


@dataclass(frozen=True, slots=True)
class JobButton:
    """A press of a button of the bot that concerns a job."""

    action: Action
    job_id: int


@dataclass(frozen=True, slots=True)
class PageButton:
    """A press that turns the page of a list, or refreshes it. `subject` is the person or group
    that the list belongs to.
    """

    listing: Listing
    subject: int
    page: int


@dataclass(frozen=True, slots=True)
class LanguageButton:
    """A press that chooses a language for a person; `number` is its index in `CHOICES`."""

    owner_id: int
    number: int


@dataclass(frozen=True, slots=True)
class OptionButton:
    """A press that concerns the page behind the link of a job, see `PageOption`."""

    option: PageOption
    job_id: int
    value: int = 0


ButtonData = JobButton | PageButton | LanguageButton | OptionButton
"""The data that a button can carry."""


@dataclass(frozen=True, slots=True)
class Button:
    """A button: `text`, and exactly one of the URL it opens, the text it copies, or its data."""

    text: str
    url: str | None = None
    copies: str | None = None
    press: ButtonData | None = None


Buttons = tuple[tuple[Button, ...], ...]
"""Rows of buttons, from top to bottom."""


def rows(buttons: Sequence[Button], width: int = LONGEST_ROW) -> Buttons:
    """Arrange buttons in rows of at most `width`."""
    return tuple(tuple(buttons[start : start + width]) for start in range(0, len(buttons), width))


def only_presses(buttons: Buttons) -> Buttons:
    """Return the callback buttons, without those that open or copy."""
    kept = (tuple(button for button in row if button.press is not None) for row in buttons)
    return tuple(row for row in kept if row)


__all__ = ["LONGEST_DATA", "Action", "ButtonCodec", "JobButton"]

LONGEST_DATA: Final = 64
"""Bytes of callback data (source: Bot API, "InlineKeyboardButton")."""

_TAG_BYTES: Final = 12
_DATA: Final = re.compile(
    r"(?P<verb>[a-z]{1,16}):(?P<object>(?P<id>-?[0-9]{1,19})(?:\.(?P<number>[0-9]{1,6}))?)"
    r":(?P<tag>[A-Za-z0-9_-]{16})",
    re.ASCII,
)
CHOOSE: Final = "language"


class ButtonCodec:
    """Encodes keyboards and parses callback data.

    Callback data is `verb:object:tag`, at most 64 bytes: an action and its job, a listing with its
    subject and page, or a choice. The tag is 96 bits of an HMAC-SHA256 over the first two, keyed
    from `secret` (the bot token): data that is forged, or moved to another job, is refused.
    Nothing is stored, so buttons work after a restart; a new token invalidates those of the old
    one. Access is checked elsewhere.

    Raises:
        ValueError: the secret is empty.
    """

    def __init__(self, secret: bytes) -> None:
        if not secret:
            raise ValueError("buttons cannot be signed with an empty secret")
        # A derived key, so that no tag reveals anything about the token.
        self._key = hmac.digest(secret, b"file-relay-bot buttons", hashlib.sha256)

    def encode(self, desired: ButtonData) -> str:
        """Return the callback data for a button."""
        match desired:
            case JobButton():
                verb, what = desired.action.value, f"{desired.job_id}"
            case PageButton():
                verb, what = desired.listing.value, f"{desired.subject}.{desired.page}"
            case LanguageButton():
                verb, what = CHOOSE, f"{desired.owner_id}.{desired.number}"
        return f"{verb}:{what}:{self._tag(verb, what)}"

    def parse(self, data: str) -> ButtonData | None:
        """Return the content of callback data, or `None` if it is not signed by this bot."""
        match = _DATA.fullmatch(data)
        if match is None:
            return None
        verb = match["verb"]
        if not hmac.compare_digest(match["tag"], self._tag(verb, match["object"])):
            return None
        return _desired(verb, int(match["id"]), match["number"])

    def markup(self, buttons: Buttons) -> InlineKeyboardMarkup | None:
        """Build the keyboard, or `None` where there are no buttons."""
        if not buttons:
            return None
        return InlineKeyboardMarkup([[self._button(b) for b in row] for row in buttons])

    def _button(self, button: Button) -> InlineKeyboardButton:
        if button.press is not None:
            data = self.encode(button.press)
            return InlineKeyboardButton(button.text, callback_data=data)
        if button.copies is not None:
            copies = CopyTextButton(button.copies)
            return InlineKeyboardButton(button.text, copy_text=copies)
        return InlineKeyboardButton(button.text, url=button.url)

    def _tag(self, verb: str, what: str) -> str:
        digest = hmac.digest(self._key, f"{verb}:{what}".encode(), hashlib.sha256)
        return urlsafe_b64encode(digest[:_TAG_BYTES]).decode()


def _desired(verb: str, id_: int, number: str | None) -> ButtonData | None:
    # A newer version may have made the button, with a verb unknown here.
    if number is None:
        return JobButton(Action(verb), id_) if verb in set(Action) else None
    if verb == CHOOSE:
        return LanguageButton(id_, int(number))
    if verb in set(PageOption):
        return OptionButton(PageOption(verb), id_, int(number))
    return PageButton(Listing(verb), id_, int(number)) if verb in set(Listing) else None
