"""The answer to `/stats`."""

from bot.adapters.telegram import formats
from bot.adapters.telegram.languages import Language
from bot.adapters.telegram.markup import Html, bold, code, plain
from bot.core.ports.chat import FailureCount, Statistics


class StatisticsRenderer:
    """Words statistics in one language."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def text(self, view: Statistics) -> Html:
        """Word what was, what is, and what runs here."""
        return Html("\n\n".join("\n".join(part) for part in self._parts(view) if part))

    def _parts(self, view: Statistics) -> list[list[Html]]:
        say, language = self._language.html, self._language
        uptime = formats.duration(language, view.uptime)
        return [
            [
                bold(language.say("stats-period")),
                say("stats-done", count=view.done, size=formats.size(view.bytes)),
                say("stats-ended", failed=str(view.failed), cancelled=str(view.cancelled)),
            ],
            [
                bold(language.say("stats-now")),
                say("stats-jobs", running=str(view.running), waiting=str(view.waiting)),
                say("stats-links", count=view.links),
                say(
                    "stats-spool",
                    used=formats.size(view.spool_used),
                    quota=formats.size(view.spool_quota),
                    free=formats.size(view.disk_free),
                ),
                say("stats-uptime", time=uptime),
            ],
            self._failures(view),
            [plain(f"{name} {version}") for name, version in view.versions],
        ]

    def _failures(self, view: Statistics) -> list[Html]:
        if not view.failures:
            return []
        title = bold(self._language.say("stats-errors"))
        return [title, *(self._failure(failed) for failed in view.failures)]

    def _failure(self, failed: FailureCount) -> Html:
        ago = formats.remaining(self._language, failed.ago)
        return self._language.html(
            "stats-error", code=code(failed.code), count=failed.count, ago=ago
        )
