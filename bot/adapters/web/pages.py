"""What those see who watch the bot: whether it lives, whether it can work, what it has done."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from bot.monitoring.health import ReadinessReport


@dataclass(frozen=True)
class MetricsPage:
    """A page as bytes, and what they are."""

    body: bytes
    content_type: str


class MonitoringPages:
    """The handlers. `look` and `page` find out when they are asked; neither names a user."""

    def __init__(
        self,
        look: Callable[[], Awaitable[ReadinessReport]],
        page: Callable[[], Awaitable[MetricsPage]],
    ) -> None:
        self._look = look
        self._page = page

    async def alive(self, _: web.Request) -> web.Response:
        """Say that the event loop turns; only a process that hangs says nothing."""
        return web.Response(text="ok\n")

    async def ready(self, _: web.Request) -> web.Response:
        """Say 200 when the bot can do its work, otherwise 503, and why."""
        found = await self._look()
        body = {
            "ready": found.ready,
            "state": found.life.value,
            "reasons": list(found.reasons),
            "telegram_heard_at": _moment(found.telegram_heard_at),
            "oss_well_at": _moment(found.oss_well_at),
        }
        return web.json_response(body, status=200 if found.ready else 503)

    async def metrics(self, _: web.Request) -> web.Response:
        """Return the page that Prometheus reads."""
        page = await self._page()
        return web.Response(body=page.body, headers={"Content-Type": page.content_type})


def _moment(when: datetime | None) -> str | None:
    return when.isoformat(timespec="seconds") if when is not None else None
