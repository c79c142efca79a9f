"""Jobs under way: the lines of a status message and of `/status`."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from bot.adapters.telegram import formats, sentences
from bot.adapters.telegram.buttons import Action, Button, Buttons, JobButton, rows
from bot.adapters.telegram.languages import Language
from bot.adapters.telegram.markup import Html, bold, plain, shown_name
from bot.core.jobs import JobState
from bot.core.ports.chat import StatusLine, StatusMessage
from bot.core.progress import Phase

MOST_LINES: Final = 8
"""Jobs that one status message shows; two lines each, or a phone would have to scroll."""


class StatusMessageRenderer:
    """Words jobs under way in one language."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def text(self, card: StatusMessage) -> Html:
        """Word a status message: each job with its name and how far it is."""
        shown = card.lines[:MOST_LINES]
        numbered = len(card.lines) > 1
        blocks = [self.block(line, n if numbered else None) for n, line in enumerate(shown, 1)]
        blocks += self.more(card.more + len(card.lines) - len(shown))
        # A card without jobs is one whose last job has just ended.
        return Html("\n".join(blocks)) or self._language.html("card-done")

    def buttons(self, card: StatusMessage) -> Buttons:
        """Return one Cancel button per job that can be cancelled; one for all of an album."""
        if card.together:
            return self._cancel_all(card)
        if len(card.lines) == 1:
            return rows(self.cancel_buttons(card.lines, [None]))
        return rows(self.cancel_buttons(card.lines[:MOST_LINES], range(1, MOST_LINES + 1)))

    def _cancel_all(self, card: StatusMessage) -> Buttons:
        left = [line for line in card.lines if not (line.cancelling or line.state.is_final)]
        # Those without a line may be left too; whoever presses too late is told so.
        if not left and not card.more:
            return ()
        press = JobButton(Action.CANCEL_ALL, card.lines[0].job_id)
        return ((Button(self._language.say("button-cancel-all"), press=press),),)

    def cancel_buttons(
        self, lines: Sequence[StatusLine], numbers: Sequence[int | None]
    ) -> list[Button]:
        """Return the Cancel buttons of lines that can still be cancelled, named by number."""
        return [
            Button(self._cancel_text(number), press=JobButton(Action.CANCEL, line.job_id))
            for number, line in zip(numbers, lines, strict=False)
            if not (line.cancelling or line.state.is_final)
        ]

    def block(self, line: StatusLine, number: int | None) -> Html:
        """Word one job: its name, and below how far it is."""
        prefix = f"{number}. " if number else ""
        return Html(f"{prefix}{bold(shown_name(line.name))}\n{self._progress(line)}")

    def more(self, count: int) -> list[Html]:
        """Say how many are not shown, if any."""
        return [self._language.html("card-more", count=count)] if count > 0 else []

    def _cancel_text(self, number: int | None) -> str:
        if number is None:
            return self._language.say("button-cancel")
        return self._language.say("button-cancel-number", number=str(number))

    def _progress(self, line: StatusLine) -> Html:
        if line.state is JobState.FAILED:
            return sentences.error(self._language, line.code, {})
        if line.state.is_final:
            return self._language.html(f"card-{line.state.value}")
        if line.cancelling:
            return self._language.html("card-cancelling")
        if line.paused:
            return self._language.html("card-paused")
        if line.state is JobState.QUEUED:
            return self._waiting(line)
        return self._running(line)

    def _waiting(self, line: StatusLine) -> Html:
        if line.retry_in is not None:
            why = sentences.reason(self._language, line.code)
            if line.retry_in <= timedelta(0):
                return self._language.html("card-retry-now", reason=why)
            wait = formats.estimate(self._language, line.retry_in)
            return self._language.html("card-retry", reason=why, time=wait)
        if line.position is not None:
            return self._language.html("card-position", position=str(line.position))
        return self._language.html("card-waiting")

    def _running(self, line: StatusLine) -> Html:
        if line.phase is Phase.ROOM:
            return self._language.html("card-room")
        if line.phase in {None, Phase.FETCHING}:
            return self._fetching(line)
        if line.phase is Phase.FINISHING:
            return plain(f"{formats.bar(1.0)} {self._language.say('card-finishing')}")
        return plain(" · ".join(self._moving(line)))

    def _fetching(self, line: StatusLine) -> Html:
        if line.elapsed is None or line.elapsed < timedelta(seconds=1):
            return self._language.html("card-fetching")
        since = formats.duration(self._language, line.elapsed)
        return self._language.html("card-fetching-since", time=since)

    def _moving(self, line: StatusLine) -> list[str]:
        say, moved = self._language.say, formats.size(line.moved)
        parts = []
        if line.fraction is not None:
            parts.append(f"{formats.bar(line.fraction)} {formats.percent(line.fraction)}")
        if line.total is not None:
            parts.append(say("part-of-total", moved=moved, total=formats.size(line.total)))
        else:
            parts.append(say("card-so-far", moved=moved))
        if line.rate:
            parts.append(say("speed", size=formats.size(int(line.rate))))
        if line.time_left is not None:
            parts.append(say("time-left", time=formats.estimate(self._language, line.time_left)))
        return parts
