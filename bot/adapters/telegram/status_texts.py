"""Texts of status messages, of `/status`, `/links`, `/start` and `/help`, and of `/stats`."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from bot.adapters.telegram import languages
from bot.adapters.telegram.buttons import Action, Button, Buttons, JobButton, PageButton, rows
from bot.adapters.telegram.languages import Html, Language, bold, code, link, plain, shown_name
from bot.core.files import shown_size
from bot.core.jobs import JobState, Phase
from bot.core.ports.views import (
    FailureCount,
    Listing,
    LiveLink,
    Overview,
    Statistics,
    StatusLine,
    StatusMessage,
    Usage,
    Welcome,
)

MOST_LINES: Final = 8
"""Jobs that one status message shows; two lines each, more would make a phone scroll."""


class StatusMessageRenderer:
    """Composes status messages in one language."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def text(self, status_message: StatusMessage) -> Html:
        """Compose the text of a status message: each job with its name and progress."""
        shown = status_message.lines[:MOST_LINES]
        numbered = len(status_message.lines) > 1
        blocks = [self.block(line, n if numbered else None) for n, line in enumerate(shown, 1)]
        blocks += self.more(status_message.more + len(status_message.lines) - len(shown))
        if shown and not status_message.more and all(line.state.is_final for line in shown):
            blocks.append(self._language.html("card-answer-follows"))
        # A message without jobs is one with a last job that has just ended.
        return Html("\n".join(blocks)) or self._language.html("card-done")

    def buttons(self, status_message: StatusMessage) -> Buttons:
        """Return one Cancel button per job that can be cancelled; one for all of an album."""
        if status_message.together:
            return self._cancel_all(status_message)
        if len(status_message.lines) == 1:
            return rows(self.cancel_buttons(status_message.lines, [None]))
        return rows(
            self.cancel_buttons(status_message.lines[:MOST_LINES], range(1, MOST_LINES + 1))
        )

    def _cancel_all(self, status_message: StatusMessage) -> Buttons:
        left = [
            line for line in status_message.lines if not (line.cancelling or line.state.is_final)
        ]
        # Jobs without a line may be left too; a press that comes too late gets a notice.
        if not left and not status_message.more:
            return ()
        press = JobButton(Action.CANCEL_ALL, status_message.lines[0].job_id)
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
        """Compose the lines of one job: its name, and below it the progress."""
        prefix = f"{number}. " if number else ""
        return Html(f"{prefix}{bold(shown_name(line.name))}\n{self._progress(line)}")

    def more(self, count: int) -> list[Html]:
        """Return the line with the number of jobs not shown, if any."""
        return [self._language.html("card-more", count=count)] if count > 0 else []

    def _cancel_text(self, number: int | None) -> str:
        if number is None:
            return self._language.say("button-cancel")
        return self._language.say("button-cancel-number", number=str(number))

    def _progress(self, line: StatusLine) -> Html:
        if line.state is JobState.FAILED:
            return languages.error(self._language, line.code, {})
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
            why = languages.reason(self._language, line.code)
            if line.retry_in <= timedelta(0):
                return self._language.html("card-retry-now", reason=why)
            wait = languages.estimate(self._language, line.retry_in)
            return self._language.html("card-retry", reason=why, time=wait)
        if line.held:
            why = languages.reason(self._language, line.code)
            return self._language.html("card-held", reason=why)
        if line.position is not None:
            return self._language.html("card-position", position=str(line.position))
        return self._language.html("card-waiting")

    def _running(self, line: StatusLine) -> Html:
        if line.phase is Phase.ROOM:
            return self._language.html("card-room")
        if line.phase in {None, Phase.FETCHING}:
            return self._fetching(line)
        if line.phase is Phase.FINISHING:
            return plain(f"{languages.bar(1.0)} {self._language.say('card-finishing')}")
        return plain(" · ".join(self._moving(line)))

    def _fetching(self, line: StatusLine) -> Html:
        if line.elapsed is None or line.elapsed < timedelta(seconds=1):
            return self._language.html("card-fetching")
        since = languages.duration(self._language, line.elapsed)
        return self._language.html("card-fetching-since", time=since)

    def _moving(self, line: StatusLine) -> list[str]:
        say, moved = self._language.say, shown_size(line.moved)
        parts = []
        if line.fraction is not None:
            parts.append(f"{languages.bar(line.fraction)} {languages.percent(line.fraction)}")
        if line.total is not None:
            parts.append(say("part-of-total", moved=moved, total=shown_size(line.total)))
        else:
            parts.append(say("card-so-far", moved=moved))
        if line.rate:
            parts.append(say("speed", size=shown_size(int(line.rate))))
        if line.time_left is not None:
            parts.append(say("time-left", time=languages.estimate(self._language, line.time_left)))
        return parts


class StatusViewRenderer:
    """Composes status views in one language.

    Running jobs and live links of a page share one numbering, so that a button's number is unique.
    A page is short enough for one message.
    """

    def __init__(self, language: Language) -> None:
        self._language = language
        self._status_messages = StatusMessageRenderer(language)

    def render(self, view: Overview | Welcome) -> tuple[Html, Buttons]:
        """Compose the running jobs and live links, with a button for each, and the way to further
        pages; or the description of the bot.
        """
        if isinstance(view, Welcome):
            return self.welcome(view), ()
        return self._text(view), self._buttons(view)

    def _text(self, view: Overview) -> Html:
        say = self._language.say
        sections = []
        if view.running:
            blocks = [
                self._status_messages.block(line, n) for n, line in enumerate(view.running, 1)
            ]
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
        if view.use is not None and view.use != Usage(files=0, bytes=0):
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
        size = shown_size(use.bytes)
        if use.most_bytes:
            size = say("part-of-total", moved=size, total=shown_size(use.most_bytes))
        return self._language.html("overview-use", files=files, size=size)

    def _live(self, view: Overview, item: LiveLink, number: int) -> Html:
        left = languages.remaining(self._language, item.link.expires_at - view.now)
        time = self._language.html("time-left", time=left)
        shown = shown_name(item.name)
        has_link = bool(item.link.url) and not view.discreet
        name = link(shown, item.link.url) if has_link else plain(shown)
        return Html(f"{number}. {name} · {shown_size(item.size)} · {time}")

    def _buttons(self, view: Overview) -> Buttons:
        count = len(view.running)
        cancel = self._status_messages.cancel_buttons(view.running, range(1, count + 1))
        delete = [
            Button(
                self._language.say("button-delete-number", number=str(number)),
                press=JobButton(Action.DELETE, item.job_id),
            )
            for number, item in enumerate(view.live, count + 1)
        ]
        return (*rows(cancel + delete), self._turns(view))

    def _turns(self, view: Overview) -> tuple[Button, ...]:
        """Return the row of buttons for the other pages and for a refresh of this one."""
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
        """Compose the description of the bot, of the data it keeps and how long, of the limit that
        applies, and of what can be asked for.
        """
        lifetime = languages.duration(self._language, view.lifetime)
        wishes = "welcome-options" if view.have_pages else "welcome-caption"
        return Html(
            "\n\n".join(
                [
                    self._language.html("welcome-what"),
                    self._language.html("welcome-keeps", lifetime=lifetime),
                    self._language.html("welcome-limit", limit=shown_size(view.limit)),
                    self._language.html(wishes),
                    self._language.html("welcome-status"),
                ]
            )
        )


def _nothing(view: Overview) -> str:
    if view.listing is Listing.LINKS:
        return "overview-no-links"
    return "overview-nothing-here" if view.in_group else "overview-nothing"


class StatisticsRenderer:
    """Composes statistics in one language."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def text(self, view: Statistics) -> Html:
        """Compose the totals, the present state, and the versions."""
        return Html("\n\n".join("\n".join(part) for part in self._parts(view) if part))

    def _parts(self, view: Statistics) -> list[list[Html]]:
        say, language = self._language.html, self._language
        uptime = languages.duration(language, view.uptime)
        return [
            [
                bold(language.say("stats-period")),
                say("stats-done", count=view.done, size=shown_size(view.bytes)),
                say("stats-ended", failed=str(view.failed), cancelled=str(view.cancelled)),
                *self._ever(view),
            ],
            [
                bold(language.say("stats-now")),
                say("stats-jobs", running=str(view.running), waiting=str(view.waiting)),
                say("stats-links", count=view.links),
                say(
                    "stats-spool",
                    used=shown_size(view.spool_used),
                    quota=shown_size(view.spool_quota),
                    free=shown_size(view.disk_free),
                ),
                *self._set_aside(view),
                say("stats-uptime", time=uptime),
            ],
            self._failures(view),
            [plain(f"{name} {version}") for name, version in view.versions],
        ]

    def _ever(self, view: Statistics) -> list[Html]:
        if view.ever_done <= view.done:
            return []
        size = shown_size(view.ever_bytes)
        return [self._language.html("stats-ever", count=view.ever_done, size=size)]

    def _set_aside(self, view: Statistics) -> list[Html]:
        counts = {"updates": view.updates_set_aside, "others": view.others_set_aside}
        if not any(counts.values()):
            return []
        texts = {name: str(count) for name, count in counts.items()}
        return [self._language.html("stats-set-aside", **texts)]

    def _failures(self, view: Statistics) -> list[Html]:
        if not view.failures:
            return []
        title = bold(self._language.say("stats-errors"))
        return [title, *(self._failure(failed) for failed in view.failures)]

    def _failure(self, failed: FailureCount) -> Html:
        ago = languages.remaining(self._language, failed.ago)
        return self._language.html(
            "stats-error", code=code(failed.code), count=failed.count, ago=ago
        )
