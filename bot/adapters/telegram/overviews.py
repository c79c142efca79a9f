"""The answers to `/status`, `/start` and `/help`."""

from bisect import bisect_left

from bot.adapters.telegram import formats
from bot.adapters.telegram.buttons import MOST_BUTTONS, Action, Button, Buttons, Press, rows
from bot.adapters.telegram.cards import MOST_LINES, Cards
from bot.adapters.telegram.languages import Language
from bot.adapters.telegram.markup import Html, bold, fits, link, plain, shown_name
from bot.core.ports.chat import LiveLink, Overview, Welcome

MOST_LIVE = MOST_BUTTONS - MOST_LINES
"""Live links that one overview lists at most: each needs its button."""


class Overviews:
    """Words overviews in one language.

    Running jobs and live links are numbered through, so that a button's number means one thing.
    What does not fit into one message is counted instead of listed.
    """

    def __init__(self, language: Language) -> None:
        self._language = language
        self._cards = Cards(language)

    def render(self, view: Overview) -> tuple[Html, Buttons]:
        """Word what runs and what is alive, with a button for each."""
        first = min(len(view.running), MOST_LINES) + 1
        live = [
            self._live(view, item, number)
            for number, item in enumerate(view.live[:MOST_LIVE], first)
        ]
        # The first count that is too much, found by halving: an overview may list many links.
        count = len(live)
        if not fits(self._text(view, live)):
            counts = range(1, len(live) + 1)
            count = bisect_left(counts, 1, key=lambda n: not fits(self._text(view, live[:n])))
        return self._text(view, live[:count]), rows(self._buttons(view, count))

    def _text(self, view: Overview, live: list[Html]) -> Html:
        running = view.running[:MOST_LINES]
        sections = []
        if running or view.more_running:
            blocks = [self._cards.block(line, number) for number, line in enumerate(running, 1)]
            blocks += self._cards.more(view.more_running + len(view.running) - len(running))
            sections.append([bold(self._language.say("overview-running")), *blocks])
        if view.live or view.more_live:
            more = self._cards.more(view.more_live + len(view.live) - len(live))
            sections.append([bold(self._language.say("overview-live")), *live, *more])
        if not sections:
            nothing = "overview-nothing-here" if view.in_group else "overview-nothing"
            return self._language.html(nothing)
        return Html("\n\n".join("\n".join(section) for section in sections))

    def _live(self, view: Overview, item: LiveLink, number: int) -> Html:
        left = formats.remaining(self._language, item.link.expires_at - view.now)
        time = self._language.html("time-left", time=left)
        shown = shown_name(item.name)
        name = plain(shown) if view.discreet else link(shown, item.link.url)
        return Html(f"{number}. {name} · {formats.size(item.size)} · {time}")

    def _buttons(self, view: Overview, live: int) -> list[Button]:
        running = view.running[:MOST_LINES]
        cancel = self._cards.cancel_buttons(running, range(1, len(running) + 1))
        delete = [
            Button(
                self._language.say("button-delete-number", number=str(number)),
                press=Press(Action.DELETE, item.job_id),
            )
            for number, item in enumerate(view.live[:live], len(running) + 1)
        ]
        return cancel + delete

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
