"""The renderer: composes messages from views, in the language of the reader."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Final, assert_never

from bot.adapters.telegram import languages
from bot.adapters.telegram.buttons import (
    LONGEST_COPIED,
    MOST_BUTTONS,
    Action,
    Button,
    Buttons,
    JobButton,
    LanguageButton,
    OptionButton,
    PageKeyboard,
    rows,
)
from bot.adapters.telegram.languages import (
    CHOICES,
    LOCALES,
    LONGEST_RAW,
    LONGEST_TEXT,
    Html,
    Language,
    bold,
    code,
    link,
    load_languages,
    pick_language,
    plain,
    shown_name,
    spoiler,
    visible_length,
    without_markup,
)
from bot.adapters.telegram.status_texts import (
    StatisticsRenderer,
    StatusMessageRenderer,
    StatusViewRenderer,
)
from bot.clock import find_zone
from bot.core.files import Link, shown_size
from bot.core.ports.views import (
    Answer,
    AnswerItem,
    AnswerPage,
    ItemState,
    LanguageMenu,
    Notice,
    Overview,
    PageMenu,
    PageOption,
    PagePassword,
    PageQr,
    PageReport,
    Statistics,
    StatusMessage,
    View,
    Welcome,
)

LONGEST_SHOWN_URL: Final = 2048
"""Characters of a URL that is shown for copying; a longer one can only be opened, because one
answer must fit into a message.
"""


MOST_OF_A_PAGE: Final = 600
"""Characters that are kept free for what an answer shows of its page; options can be added to it
at any time.
"""
BUTTONS_OF_A_PAGE: Final = 4


class AnswerRenderer:
    """Composes answers in one language. `zone` is the time zone of shown times."""

    def __init__(self, language: Language, zone: tzinfo) -> None:
        self._language = language
        self._zone = zone
        self._keyboard = PageKeyboard(language)

    def text(
        self, items: Sequence[AnswerItem], now: datetime, page: AnswerPage | None = None
    ) -> Html:
        """Compose one item in full, or several as a numbered list."""
        if len(items) == 1:
            return self._single(items[0], now, page)
        text = self._list(items, now, page, compact=False)
        return text if _fits(text) else self._list(items, now, page, compact=True)

    def _list(
        self,
        items: Sequence[AnswerItem],
        now: datetime,
        page: AnswerPage | None = None,
        *,
        compact: bool,
    ) -> Html:
        shared = self._shared_expiry(items)
        blocks = [
            self._block(number, item, now, page, alone=shared is None, compact=compact)
            for number, item in enumerate(items, 1)
        ]
        lines = self._link_of_all(page) if page is not None and any(map(_is_open, items)) else []
        if shared is not None:
            name = "answer-expiry-all" if page is None else "answer-expiry"
            lines.append(self._expiry(name, shared, now))
        lines += self._page(items, page)
        if lines:
            blocks.append(Html("\n".join(lines)))
        return Html("\n\n".join(blocks))

    def _link_of_all(self, page: AnswerPage) -> list[Html]:
        return [link(self._language.say("answer-link-all"), page.url), code(page.url)]

    def _page(self, items: Sequence[AnswerItem], page: AnswerPage | None) -> list[Html]:
        """Compose what holds for the page of an answer, and how often it was used."""
        if page is None:
            return []
        lines = []
        if any(map(_is_open, items)):
            lines = self._options(page, is_alone=len(items) == 1)
        if page.downloads and page.last_download_at is not None:
            last = f"{page.last_download_at.astimezone(self._zone):%H:%M}"
            lines.append(self._language.html("answer-downloaded", count=page.downloads, time=last))
        return lines

    def _options(self, page: AnswerPage, *, is_alone: bool) -> list[Html]:
        options, html = page.options, self._language.html
        lines = []
        if options.is_paused:
            lines.append(html("answer-paused"))
        if options.most_downloads is not None:
            name = "answer-most-downloads" if is_alone else "answer-most-downloads-each"
            lines.append(html(name, count=options.most_downloads))
        if page.is_used_up:
            lines.append(html("answer-used-up"))
        if options.password_hash is not None:
            lines.append(html("answer-password"))
        if options.sender is not None:
            lines.append(html("answer-sender", person=shown_name(options.sender)))
        if options.tell.value != "off":
            lines.append(html(f"answer-tell-{options.tell.value}"))
        return lines

    def buttons(self, items: Sequence[AnswerItem], page: AnswerPage | None = None) -> Buttons:
        """Return the buttons of live links; other items have none, unless they were on a page:
        then they can be relayed again when all of it has ended.
        """
        is_live = any(map(_is_open, items))
        if page is not None and not is_live:
            return self._again(items)
        if page is not None and page.menu is not PageMenu.CLOSED:
            return self._keyboard.opened(page)
        if len(items) == 1:
            return self._single_buttons(items[0], page)
        delete = rows(
            [
                Button(
                    self._language.say("button-delete-number", number=str(number)),
                    press=JobButton(Action.DELETE, item.job_id),
                )
                for number, item in enumerate(items, 1)
                if item.state is ItemState.LIVE
            ]
        )
        if page is None:
            return delete
        more = (self._keyboard.closed(page),)
        return (self._opening(page.url), *delete, more, *self._keyboard.used_up(page))

    def _again(self, items: Sequence[AnswerItem]) -> Buttons:
        over = {ItemState.EXPIRED, ItemState.DELETED}
        job_id = next((item.job_id for item in items if item.state in over), None)
        return () if job_id is None else ((self._keyboard.again(job_id),),)

    def fit(
        self,
        items: Sequence[AnswerItem],
        now: datetime,
        page: AnswerPage | None = None,
        *,
        together: bool = False,
    ) -> int:
        """Count how many leading items (at least 1) one message can hold. Linear in their number.

        Items that belong `together` may be shown without the URL for copying.
        """
        full = self._fit(items, now, page, compact=False)
        if not together or full == len(items):
            return full
        return self._fit(items, now, page, compact=True)

    def fit_plain(
        self, items: Sequence[AnswerItem], now: datetime, page: AnswerPage | None = None
    ) -> int:
        """Count how many leading items (at least 1) a message without formatting can hold."""
        counts = range(min(len(items), MOST_BUTTONS), 1, -1)
        room = LONGEST_TEXT - _kept_for(page)
        return next((n for n in counts if _fits_plain(self.text(items[:n], now, page), room)), 1)

    def _fit(
        self,
        items: Sequence[AnswerItem],
        now: datetime,
        page: AnswerPage | None,
        *,
        compact: bool,
    ) -> int:
        visible = raw = _kept_for(page)
        # Measured as if each item had its own expiry line, which is at least as long as the shared
        # one.
        most = MOST_BUTTONS - (0 if page is None else BUTTONS_OF_A_PAGE)
        for number, item in enumerate(items[:most], 1):
            block = self._block(number, item, now, page, alone=True, compact=compact)
            visible += visible_length(block) + 2
            raw += len(block.encode()) + 2
            if visible > LONGEST_TEXT or raw > LONGEST_RAW:
                return max(1, number - 1)
        return max(1, min(len(items), most))

    def _single(self, item: AnswerItem, now: datetime, page: AnswerPage | None) -> Html:
        title = bold(shown_name(item.name))
        if item.state is not ItemState.LIVE or item.link is None:
            return Html("\n".join([title, self._ending(item), *self._page([item], page)]))
        lines = [
            self._with_size(title, item),
            link(self._language.say("answer-link"), item.link.url),
            *_copied(item.link),
            "",
            *self._hash(item),
            self._expiry("answer-expiry", item.link.expires_at, now),
            *self._page([item], page),
        ]
        return Html("\n".join(lines))

    def _block(
        self,
        number: int,
        item: AnswerItem,
        now: datetime,
        page: AnswerPage | None,
        *,
        alone: bool,
        compact: bool,
    ) -> Html:
        name = shown_name(item.name)
        if item.state is not ItemState.LIVE or item.link is None:
            return Html(f"{number}. {bold(name)}\n{self._ending(item)}")
        # The link of a page is that of all its files, and stands below them once.
        is_shared = page is not None and item.link.url == page.url
        title = bold(name) if is_shared else link(name, item.link.url)
        lines = [
            f"{number}. {self._with_size(title, item)}",
            *([] if compact or is_shared else _copied(item.link)),
            *self._hash(item),
        ]
        if alone:
            lines.append(self._expiry("answer-expiry", item.link.expires_at, now))
        return Html("\n".join(lines))

    def _ending(self, item: AnswerItem) -> Html:
        if item.state is ItemState.FAILED:
            return languages.error(self._language, item.code, item.args)
        # A live item without a link is a defect; it is shown as expired, never dropped.
        name = "expired" if item.state is ItemState.LIVE else item.state.value
        return self._language.html(f"answer-{name}")

    def _with_size(self, title: Html, item: AnswerItem) -> Html:
        return title if item.size is None else Html(f"{title} · {shown_size(item.size)}")

    def _hash(self, item: AnswerItem) -> list[Html]:
        if item.sha256 is None:
            return []
        label = plain(self._language.say("answer-sha256"))
        return [Html(f"{label} {code(item.sha256)}")]

    def _expiry(self, name: str, at: datetime, now: datetime) -> Html:
        left = languages.remaining(self._language, at - now)
        return self._language.html(name, at=languages.moment(at, self._zone), left=left)

    def _shared_expiry(self, items: Sequence[AnswerItem]) -> datetime | None:
        """Return the expiry that all live items share to the minute, the earliest of them."""
        ends = [i.link.expires_at for i in items if i.state is ItemState.LIVE and i.link]
        if len(ends) < 2 or len({languages.moment(end, self._zone) for end in ends}) > 1:
            return None
        return min(ends)

    def _single_buttons(self, item: AnswerItem, page: AnswerPage | None) -> Buttons:
        if item.state is not ItemState.LIVE or item.link is None:
            return ()
        text = self._language.say("button-delete")
        delete = Button(text, press=JobButton(Action.DELETE, item.job_id))
        opening = self._opening(item.link.url)
        if page is None:
            return (opening, (delete,))
        more = self._keyboard.closed(page)
        return (opening, (delete, more), *self._keyboard.used_up(page))

    def _opening(self, url: str) -> tuple[Button, ...]:
        say = self._language.say
        top = [Button(say("button-open"), url=url)]
        if len(url) <= LONGEST_COPIED:
            top.append(Button(say("button-copy"), copies=url))
        return tuple(top)


def _is_open(item: AnswerItem) -> bool:
    return item.state is ItemState.LIVE and item.link is not None


def _kept_for(page: AnswerPage | None) -> int:
    return 0 if page is None else MOST_OF_A_PAGE


def _fits(text: Html) -> bool:
    return visible_length(text) <= LONGEST_TEXT and len(text.encode()) <= LONGEST_RAW


def _fits_plain(html: Html, room: int) -> bool:
    text = without_markup(html)
    return len(text.encode("utf-16-le", "surrogatepass")) // 2 <= room


def _copied(link_: Link) -> list[Html]:
    return [code(link_.url)] if len(link_.url) <= LONGEST_SHOWN_URL else []


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message that is ready to be sent: Telegram's HTML, and rows of buttons. With `is_plain`
    the `text` that is sent has no formatting; with a `picture` it is the caption.
    """

    html: Html
    buttons: Buttons = ()
    is_plain: bool = False
    picture: bytes | None = field(default=None, repr=False)

    @property
    def text(self) -> str:
        """What is sent."""
        return without_markup(self.html) if self.is_plain else self.html


@dataclass(slots=True)
class BotName:
    """The bot's username as known last, without the "@"."""

    current: str = ""


class Renderer:
    """Composes every view in every language. `zone` is the time zone of chats that chose none,
    `name` is the bot's, for sentences that name it.

    Every `language` is an IETF tag as Telegram reports it, or "". The constructor reads the locale
    files (blocks); the methods are pure computation.

    Raises:
        ValueError: a locale file cannot be read as Fluent.
        OSError: a locale file cannot be read at all.
    """

    def __init__(
        self,
        locales: Path = LOCALES,
        *,
        zone: tzinfo = UTC,
        name: BotName | None = None,
    ) -> None:
        self._name = name or BotName()
        self._languages = load_languages(locales)
        self._zone = zone
        self._status_messages = {
            tag: StatusMessageRenderer(lang) for tag, lang in self._languages.items()
        }
        self._overviews = {tag: StatusViewRenderer(lang) for tag, lang in self._languages.items()}
        self._reports = {tag: StatisticsRenderer(lang) for tag, lang in self._languages.items()}

    @property
    def _own(self) -> dict[str, str | int]:
        return {"bot": self._name.current}

    def language(self, tag: str) -> Language:
        """Return the best language for a user with this tag."""
        return self._languages[pick_language(tag)]

    def render(self, view: View, language: str, *, plain: bool = False) -> Rendered:
        """Word a view. It fits into one message, an answer if `fit` was asked for its items. A
        `plain` message has neither formatting nor buttons.

        Raises:
            MessageRefused: a notice that no locale file has, or one without its variables.
        """
        rendered = self._render(view, language)
        return replace(rendered, buttons=(), is_plain=True) if plain else rendered

    def _render(self, view: View, language: str) -> Rendered:
        tag = pick_language(language)
        match view:
            case Notice():
                args = self._own | view.args
                rendered = Rendered(languages.notice_html(self._languages[tag], view.name, args))
            case Answer():
                rendered = self._answer(view, tag)
            case StatusMessage():
                rendered = Rendered(
                    self._status_messages[tag].text(view), self._status_messages[tag].buttons(view)
                )
            case Overview() | Welcome():
                rendered = Rendered(*self._overviews[tag].render(view))
            case Statistics():
                rendered = Rendered(self._reports[tag].text(view))
            case LanguageMenu():
                rendered = self._menu(view, self._languages[tag])
            case PagePassword() | PageQr() | PageReport():
                rendered = _of_page(view, self._languages[tag])
            case _ as unreachable:
                assert_never(unreachable)
        return rendered

    def _answer(self, answer: Answer, tag: str) -> Rendered:
        words = self._words(answer, tag)
        text = words.text(answer.items, answer.now, answer.page)
        if answer.is_one_of_several:
            hint = self._languages[tag].html("answer-one-of-several", **self._own)
            text = Html(f"{text}\n\n{hint}")
        return Rendered(text, words.buttons(answer.items, answer.page))

    def _menu(self, view: LanguageMenu, language: Language) -> Rendered:
        # Each language by its own name, so that users of a wrong language find their own.
        names = [self._languages[tag].say("language-name") for tag in CHOICES if tag]
        renderer = [language.say("language-auto"), *names]
        buttons = [
            Button(text, press=LanguageButton(view.owner_id, n)) for n, text in enumerate(renderer)
        ]
        html = language.html("language-which")
        return Rendered(html, rows([*buttons[1:], buttons[0]], width=2))

    def notice(self, notice: Notice, language: str) -> str:
        """Compose a notice as plain text for the answer to a press (at most 200 characters).

        Raises:
            MessageRefused: the notice is in no locale file, or a variable is missing.
        """
        args = self._own | notice.args
        return languages.notice(self.language(language), notice.name, args)

    def fit(
        self, answer: Answer, language: str, *, together: bool = False, plain: bool = False
    ) -> int:
        """Count how many leading items (at least 1) one message can hold; see
        `AnswerRenderer.fit`.
        """
        words = self._words(answer, pick_language(language))
        if plain:
            return words.fit_plain(answer.items, answer.now, answer.page)
        return words.fit(answer.items, answer.now, answer.page, together=together)

    def _words(self, answer: Answer, tag: str) -> AnswerRenderer:
        zone = self._zone
        # A chosen zone may be unknown after a move to another machine.
        with suppress(ValueError):
            zone = find_zone(answer.zone) if answer.zone else zone
        return AnswerRenderer(self._languages[tag], zone)


def _of_page(view: PagePassword | PageQr | PageReport, language: Language) -> Rendered:
    if isinstance(view, PageReport):
        return _of_report(view, language)
    name = bold(shown_name(view.name))
    if isinstance(view, PageQr):
        return Rendered(language.html("page-qr", file=name), picture=view.picture)
    return Rendered(language.html("page-password", file=name, password=spoiler(view.password)))


def _of_report(view: PageReport, language: Language) -> Rendered:
    # Numbers without separators, as commands take them.
    owner, page = code(str(view.owner_id)), code(str(view.page_id))
    text = language.html("page-reported", id=page, owner=owner, count=view.files)
    remove = OptionButton(PageOption.REMOVE, view.job_id)
    buttons = [
        Button(language.say("button-open"), url=view.url),
        Button(language.say("button-take-down"), press=remove),
    ]
    return Rendered(text, rows(buttons, width=2))
