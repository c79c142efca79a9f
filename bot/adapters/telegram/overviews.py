"""The answers to `/status`, `/links`, `/start` and `/help`."""

from bot.adapters.telegram import formats
from bot.adapters.telegram.buttons import Action, Button, Buttons, JobButton, PageButton, rows
from bot.adapters.telegram.cards import StatusMessageRenderer
from bot.adapters.telegram.languages import Language
from bot.adapters.telegram.markup import Html, bold, link, plain, shown_name
from bot.core.ports.chat import Listing, LiveLink, Overview, Usage, Welcome


class StatusViewRenderer:
    """Words overviews in one language.

    Running jobs and live links of a page are numbered through, so that a button's number means one
    thing. A page is short enough for one message.
    """

    def __init__(self, language: Language) -> None:
        self._language = language
        self._cards = StatusMessageRenderer(language)

    def render(self, view: Overview) -> tuple[Html, Buttons]:
        """Word what runs and what is alive, with a button for each, and how to see the rest."""
        return self._text(view), self._buttons(view)

    def _text(self, view: Overview) -> Html:
        say = self._language.say
        sections = []
        if view.running:
            blocks = [self._cards.block(line, n) for n, line in enumerate(view.running, 1)]
            sections.append([bold(say("overview-running")), *blocks])
        if view.live:
            first = len(view.running) + 1
            live = [self._live(view, item, n) for n, item in enumerate(view.live, first)]
            sections.append([bold(say("overview-live")), *live])
        if not sections:
            sections.append([self._language.html(_nothing(view))])
        if foot := self._foot(view):
            sections.append(foot)
        return Html("\n\n".join("\n".join(section) for section in sections))

    def _foot(self, view: Overview) -> list[Html]:
        foot = []
        if view.use is not None and view.use != Usage(0, 0):
            foot.append(self._use(view.use))
        if view.pages > 1:
            page, pages = str(view.page), str(view.pages)
            foot.append(self._language.html("overview-page", page=page, pages=pages))
        return foot

    def _use(self, use: Usage) -> Html:
        say = self._language.say
        files = say("use-files", count=use.files)
        if use.most_files:
            files = say("use-files-of", done=str(use.files), count=use.most_files)
        size = formats.size(use.bytes)
        if use.most_bytes:
            size = say("part-of-total", moved=size, total=formats.size(use.most_bytes))
        return self._language.html("overview-use", files=files, size=size)

    def _live(self, view: Overview, item: LiveLink, number: int) -> Html:
        left = formats.remaining(self._language, item.link.expires_at - view.now)
        time = self._language.html("time-left", time=left)
        shown = shown_name(item.name)
        name = plain(shown) if view.discreet else link(shown, item.link.url)
        return Html(f"{number}. {name} · {formats.size(item.size)} · {time}")

    def _buttons(self, view: Overview) -> Buttons:
        count = len(view.running)
        cancel = self._cards.cancel_buttons(view.running, range(1, count + 1))
        delete = [
            Button(
                self._language.say("button-delete-number", number=str(number)),
                press=JobButton(Action.DELETE, item.job_id),
            )
            for number, item in enumerate(view.live, count + 1)
        ]
        return (*rows(cancel + delete), self._turns(view))

    def _turns(self, view: Overview) -> tuple[Button, ...]:
        """Return the row that leads to the other pages and shows this one anew."""
        say, page = self._language.say, view.page
        turns = [(say("button-refresh"), page)]
        if page > 1:
            turns.insert(0, (say("button-previous", page=str(page - 1)), page - 1))
        if page < view.pages:
            turns.append((say("button-next", page=str(page + 1)), page + 1))
        return tuple(
            Button(text, press=PageButton(view.listing, view.subject, to)) for text, to in turns
        )

    def welcome(self, view: Welcome) -> Html:
        """Say what the bot does, what it keeps and how long, and the limit that holds here."""
        lifetime = formats.duration(self._language, view.lifetime)
        return Html(
            "\n\n".join(
                [
                    self._language.html("welcome-what"),
                    self._language.html("welcome-keeps", lifetime=lifetime),
                    self._language.html("welcome-limit", limit=formats.size(view.limit)),
                    self._language.html("welcome-status"),
                ]
            )
        )


def _nothing(view: Overview) -> str:
    if view.listing is Listing.LINKS:
        return "overview-no-links"
    return "overview-nothing-here" if view.in_group else "overview-nothing"
