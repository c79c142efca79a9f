"""Buttons on the wire: signed callback data, and the keyboard that Telegram draws."""

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from typing import Final

from telegram import CopyTextButton, InlineKeyboardButton, InlineKeyboardMarkup

from bot.adapters.telegram.buttons import Action, Button, Buttons, Press

__all__ = ["LONGEST_DATA", "Action", "Keyboards", "Press"]

LONGEST_DATA: Final = 64
"""Bytes of callback data (source: Bot API, "InlineKeyboardButton")."""

_TAG_BYTES: Final = 12
_DATA: Final = re.compile(r"([a-z]{1,16}):([0-9]{1,19}):([A-Za-z0-9_-]{16})", re.ASCII)


class Keyboards:
    """Makes keyboards and reads presses.

    Callback data is `action:job:tag`, at most 64 bytes. The tag is 96 bits of an HMAC-SHA256 over
    the first two, keyed from `secret` (the bot token): data that somebody made up, or moved to
    another job, is not ours. Nothing is stored, so buttons work after a restart; a new token ends
    those of the old one. Who may press is not decided here.

    Raises:
        ValueError: the secret is empty.
    """

    def __init__(self, secret: bytes) -> None:
        if not secret:
            raise ValueError("buttons cannot be signed with an empty secret")
        # A key of its own, so that no tag says anything about the token in another use.
        self._key = hmac.digest(secret, b"file-relay-bot buttons", hashlib.sha256)

    def encode(self, action: Action, job_id: int) -> str:
        """Return the callback data for a button. `job_id` is not negative."""
        return f"{action.value}:{job_id}:{self._tag(action.value, str(job_id))}"

    def parse(self, data: str) -> Press | None:
        """Return what a press asks for, or `None` if the data is not ours."""
        match = _DATA.fullmatch(data)
        if match is None:
            return None
        action, job_id, tag = match.groups()
        if not hmac.compare_digest(tag, self._tag(action, job_id)):
            return None
        # A newer version may have made the button; its action is not known here.
        return Press(Action(action), int(job_id)) if action in set(Action) else None

    def markup(self, buttons: Buttons) -> InlineKeyboardMarkup | None:
        """Build the keyboard, or `None` where there are no buttons."""
        if not buttons:
            return None
        return InlineKeyboardMarkup([[self._button(b) for b in row] for row in buttons])

    def _button(self, button: Button) -> InlineKeyboardButton:
        if button.press is not None:
            data = self.encode(button.press.action, button.press.job_id)
            return InlineKeyboardButton(button.text, callback_data=data)
        if button.copies is not None:
            copies = CopyTextButton(button.copies)
            return InlineKeyboardButton(button.text, copy_text=copies)
        return InlineKeyboardButton(button.text, url=button.url)

    def _tag(self, action: str, job_id: str) -> str:
        digest = hmac.digest(self._key, f"{action}:{job_id}".encode(), hashlib.sha256)
        return urlsafe_b64encode(digest[:_TAG_BYTES]).decode()
