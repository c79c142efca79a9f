"""Buttons on the wire: signed callback data, and the keyboard that Telegram draws."""

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from typing import Final

from telegram import CopyTextButton, InlineKeyboardButton, InlineKeyboardMarkup

from bot.adapters.telegram.buttons import (
    Action,
    Button,
    ButtonData,
    Buttons,
    JobButton,
    LanguageButton,
    PageButton,
)
from bot.core.ports.chat import Listing

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
    """Makes keyboards and reads presses.

    Callback data is `verb:object:tag`, at most 64 bytes: an action and its job, a listing with its
    subject and page, or a choice. The tag is 96 bits of an HMAC-SHA256 over the first two, keyed
    from `secret` (the bot token): data that somebody made up, or moved to another job, is not
    ours. Nothing is stored, so buttons work after a restart; a new token ends those of the old
    one. Who may press is not decided here.

    Raises:
        ValueError: the secret is empty.
    """

    def __init__(self, secret: bytes) -> None:
        if not secret:
            raise ValueError("buttons cannot be signed with an empty secret")
        # A key of its own, so that no tag says anything about the token in another use.
        self._key = hmac.digest(secret, b"file-relay-bot buttons", hashlib.sha256)

    def encode(self, wish: ButtonData) -> str:
        """Return the callback data for a button."""
        match wish:
            case JobButton():
                verb, what = wish.action.value, f"{wish.job_id}"
            case PageButton():
                verb, what = wish.listing.value, f"{wish.subject}.{wish.page}"
            case LanguageButton():
                verb, what = CHOOSE, f"{wish.owner_id}.{wish.number}"
        return f"{verb}:{what}:{self._tag(verb, what)}"

    def parse(self, data: str) -> ButtonData | None:
        """Return what a press asks for, or `None` if the data is not ours."""
        match = _DATA.fullmatch(data)
        if match is None:
            return None
        verb = match["verb"]
        if not hmac.compare_digest(match["tag"], self._tag(verb, match["object"])):
            return None
        return _wish(verb, int(match["id"]), match["number"])

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


def _wish(verb: str, id_: int, number: str | None) -> ButtonData | None:
    # A newer version may have made the button; its verb is not known here.
    if number is None:
        return JobButton(Action(verb), id_) if verb in set(Action) else None
    if verb == CHOOSE:
        return LanguageButton(id_, int(number))
    return PageButton(Listing(verb), id_, int(number)) if verb in set(Listing) else None
