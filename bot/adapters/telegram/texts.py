"""Views become messages: the one place that knows which words, and whose language."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path
from typing import assert_never

from bot.adapters.telegram import sentences
from bot.adapters.telegram.answers import AnswerRenderer
from bot.adapters.telegram.buttons import Button, Buttons, LanguageButton, rows
from bot.adapters.telegram.cards import StatusMessageRenderer
from bot.adapters.telegram.languages import (
    CHOICES,
    LOCALES,
    Language,
    load_languages,
    pick_language,
)
from bot.adapters.telegram.markup import Html
from bot.adapters.telegram.overviews import StatusViewRenderer
from bot.adapters.telegram.reports import StatisticsRenderer
from bot.core.ports.chat import (
    Answer,
    LanguageMenu,
    Notice,
    Overview,
    Statistics,
    StatusMessage,
    View,
    Welcome,
)
from bot.core.zones import find_zone


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message that is ready to be sent: Telegram's HTML, and rows of buttons."""

    html: Html
    buttons: Buttons = ()


class Renderer:
    """Words every view in every language. `zone` is that of the moments that are shown in chats
    that chose none, `username` the bot's, for sentences that name it.

    Every `language` is an IETF tag as Telegram gives it, or "". Reads the locale files at once
    (blocks); afterwards everything is pure computation.

    Raises:
        ValueError: a locale file cannot be read as Fluent.
        OSError: a locale file cannot be read at all.
    """

    def __init__(self, locales: Path = LOCALES, *, zone: tzinfo = UTC, username: str = "") -> None:
        self._own = {"bot": username}
        self._languages = load_languages(locales)
        self._zone = zone
        self._cards = {tag: StatusMessageRenderer(lang) for tag, lang in self._languages.items()}
        self._overviews = {tag: StatusViewRenderer(lang) for tag, lang in self._languages.items()}
        self._reports = {tag: StatisticsRenderer(lang) for tag, lang in self._languages.items()}

    def language(self, tag: str) -> Language:
        """Return the language that serves a user with this tag best."""
        return self._languages[pick_language(tag)]

    def render(self, view: View, language: str) -> Rendered:
        """Word a view. It fits into one message, an answer if `fit` was asked for its items.

        Raises:
            MessageRefused: a notice that no locale file has, or one without its variables.
        """
        tag = pick_language(language)
        match view:
            case Notice():
                args = self._own | view.args
                rendered = Rendered(sentences.notice_html(self._languages[tag], view.name, args))
            case Answer():
                words = self._words(view, tag)
                rendered = Rendered(words.text(view.items, view.now), words.buttons(view.items))
            case StatusMessage():
                rendered = Rendered(self._cards[tag].text(view), self._cards[tag].buttons(view))
            case Overview():
                rendered = Rendered(*self._overviews[tag].render(view))
            case Statistics():
                rendered = Rendered(self._reports[tag].text(view))
            case LanguageMenu():
                rendered = self._menu(view, self._languages[tag])
            case Welcome():
                rendered = Rendered(self._overviews[tag].welcome(view))
            case _ as unreachable:
                assert_never(unreachable)
        return rendered

    def _menu(self, view: LanguageMenu, language: Language) -> Rendered:
        # Each language in its own words, so that whoever got the wrong one finds theirs.
        names = [self._languages[tag].say("language-name") for tag in CHOICES if tag]
        texts = [language.say("language-auto"), *names]
        buttons = [
            Button(text, press=LanguageButton(view.owner_id, n)) for n, text in enumerate(texts)
        ]
        html = language.html("language-which")
        return Rendered(html, rows([*buttons[1:], buttons[0]], width=2))

    def notice(self, notice: Notice, language: str) -> str:
        """Word a notice as plain text, as the answer to a press shows it (at most 200 characters).

        Raises:
            MessageRefused: a notice that no locale file has, or one without its variables.
        """
        args = self._own | notice.args
        return sentences.notice(self.language(language), notice.name, args)

    def fit(self, answer: Answer, language: str, *, together: bool = False) -> int:
        """Count how many leading items (at least 1) one message can hold; see
        `AnswerRenderer.fit`.
        """
        words = self._words(answer, pick_language(language))
        return words.fit(answer.items, answer.now, together=together)

    def _words(self, answer: Answer, tag: str) -> AnswerRenderer:
        zone = self._zone
        # A zone that was chosen may be unknown after a move to another machine.
        with suppress(ValueError):
            zone = find_zone(answer.zone) if answer.zone else zone
        return AnswerRenderer(self._languages[tag], zone)
