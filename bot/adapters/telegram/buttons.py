"""Buttons: their texts, their actions, and their signed callback data."""

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from telegram import CopyTextButton, InlineKeyboardButton, InlineKeyboardMarkup

from bot.adapters.telegram.languages import Language, duration
from bot.core.ports.pages import Tell
from bot.core.ports.views import AnswerPage, Listing, PageMenu, PageOption

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
    subject and page, a choice, or an option of a page with a job of it and its value. The tag is
    96 bits of an HMAC-SHA256 over the first two, keyed from `secret` (the bot token): data that is
    forged, or moved to another job, is refused. Nothing is stored, so buttons work after a
    restart; a new token invalidates those of the old one. Access is checked elsewhere.

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
            case OptionButton():
                verb, what = desired.option.value, f"{desired.job_id}.{desired.value}"
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


TELLS: Final = tuple(Tell)
"""Choices of `PageOption.TELL`. The indices are part of the data of sent buttons: only append."""
TELL_NAMES: Final = ("button-tell-off", "button-tell-first", "button-tell-each")
SWITCHES: Final = {
    PageOption.PASSWORD: ("button-password-on", "button-password-off"),
    PageOption.PAUSE: ("button-pause-on", "button-pause-off"),
    PageOption.NAME: ("button-name-on", "button-name-off"),
}
"""What switches an option on, and off again."""
DOWNLOADS: Final = (1, 5, 0)
"""Choices of `PageOption.DOWNLOADS`; 0 is any number."""
DAY: Final = 1435
"""Minutes of the longest lifetime, which is called 24 hours."""
MOST_VALUE: Final = 1_000_000
"""Values in the data of buttons are below."""


class PageKeyboard:
    """The buttons of one language that change the options of a page."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def closed(self, page: AnswerPage) -> Button:
        """Return the button that shows the others."""
        return self._menu(page, "button-options", PageMenu.MAIN)

    def used_up(self, page: AnswerPage) -> Buttons:
        """Return the button that allows the same number of downloads again, once all are used."""
        return ((self._arm(page),),) if page.is_used_up else ()

    def _arm(self, page: AnswerPage) -> Button:
        return self._option(page, PageOption.ARM, "button-arm", page.downloads % MOST_VALUE)

    def again(self, job_id: int) -> Button:
        """Return the button that relays the files of an answer once more."""
        text = self._language.say("button-again")
        return Button(text, press=OptionButton(PageOption.AGAIN, job_id))

    def opened(self, page: AnswerPage) -> Buttons:
        """Return the buttons of the open menu."""
        match page.menu:
            case PageMenu.EXPIRES:
                shown = rows([self._expires(page, minutes) for minutes in page.lifetimes], width=2)
            case PageMenu.DOWNLOADS:
                shown = (tuple(self._downloads(page, most) for most in DOWNLOADS),)
            case PageMenu.TELL:
                shown = tuple((self._tell(page, number),) for number in range(len(TELLS)))
            case _:
                back = self._menu(page, "button-back", PageMenu.CLOSED)
                arm = ((self._arm(page),),) if page.can_rearm else ()
                return (*rows(self._main(page), width=2), *arm, (back,))
        return (*shown, (self._menu(page, "button-back", PageMenu.MAIN),))

    def _main(self, page: AnswerPage) -> list[Button]:
        expires = self._menu(page, "button-expires", PageMenu.EXPIRES)
        common = [
            self._switch(page, PageOption.PAUSE, on=page.options.is_paused),
            *self._new(page),
        ]
        if page.is_few:
            return [expires, *common]
        return [
            expires,
            self._menu(page, "button-downloads", PageMenu.DOWNLOADS),
            self._switch(page, PageOption.PASSWORD, on=page.options.password_hash is not None),
            self._option(page, PageOption.QR, "button-qr"),
            *common,
            self._menu(page, "button-tell", PageMenu.TELL),
            self._switch(page, PageOption.NAME, on=page.options.sender is not None),
        ]

    def _new(self, page: AnswerPage) -> list[Button]:
        return [self._option(page, PageOption.ADDRESS, "button-address", page.generation)]

    def _switch(self, page: AnswerPage, option: PageOption, *, on: bool) -> Button:
        return self._option(page, option, SWITCHES[option][int(on)], 0 if on else 1)

    def _option(self, page: AnswerPage, option: PageOption, name: str, value: int = 0) -> Button:
        text = self._language.say(name)
        return Button(text, press=OptionButton(option, page.job_id, value))

    def _menu(self, page: AnswerPage, name: str, menu: PageMenu) -> Button:
        return self._option(page, PageOption.MENU, name, menu.value)

    def _expires(self, page: AnswerPage, minutes: int) -> Button:
        shown = min(minutes, page.longest) if page.longest < DAY else minutes
        text = duration(self._language, timedelta(minutes=shown))
        is_chosen = shown == page.lifetime
        return self._choice(page, PageOption.EXPIRES, minutes, text, is_chosen=is_chosen)

    def _downloads(self, page: AnswerPage, most: int) -> Button:
        say = self._language.say
        text = say("button-number", count=most) if most else say("button-any-number")
        is_chosen = most == (page.options.most_downloads or 0)
        return self._choice(page, PageOption.DOWNLOADS, most, text, is_chosen=is_chosen)

    def _tell(self, page: AnswerPage, number: int) -> Button:
        text = self._language.say(TELL_NAMES[number])
        is_chosen = TELLS[number] is page.options.tell
        return self._choice(page, PageOption.TELL, number, text, is_chosen=is_chosen)

    def _choice(
        self, page: AnswerPage, option: PageOption, value: int, text: str, *, is_chosen: bool
    ) -> Button:
        shown = self._language.say("button-chosen", choice=text) if is_chosen else text
        return Button(shown, press=OptionButton(option, page.job_id, value))
