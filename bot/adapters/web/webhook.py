"""The door at which Telegram delivers updates, at least once: an update is accepted when the
ledger has it, and not before.
"""

import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from aiohttp import web

log = structlog.stdlib.get_logger(__name__)

SECRET_HEADER: Final = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 -- the header's name.
RETRY_AFTER: Final = "5"
"""Seconds. Telegram repeats an update for 24 hours, and minds this header (source: github
tdlib/telegram-bot-api `WebhookActor.cpp`).
"""

Take = Callable[[dict[str, Any]], Awaitable[None]]
"""Returns when the update is in the ledger; raises where it cannot be."""


class WebhookRoute:
    """The handler at `path`. While nobody takes updates, Telegram is asked to come again."""

    def __init__(self, path: str, secret: str) -> None:
        self.path = path
        self._secret = secret.encode()
        self._take: Take | None = None

    def __repr__(self) -> str:
        return f"Hook(path={self.path!r})"

    def open(self, take: Take) -> None:
        """Hand updates to `take` from now on."""
        self._take = take

    def close(self) -> None:
        """Take nothing more; what is under way goes on."""
        self._take = None

    async def handle(self, request: web.Request) -> web.Response:
        """Take one update.

        200: the ledger has it. 403: not from Telegram. 400, 413: no update. 503: not now.
        """
        # Before the body is read: strangers shall not fill our memory.
        if not self._is_from_telegram(request):
            return web.Response(status=403)
        update = _parse(await request.read())
        if update is None:
            log.warning("webhook: what came is no update")
            return web.Response(status=400)
        if self._take is None:
            return _later()
        try:
            await self._take(update)
        except Exception:
            # Whatever went wrong, the update is not safe; whoever polls would end here, but a
            # door that is shut once need not be shut for ever.
            log.exception("webhook: update not taken", update=update["update_id"])
            return _later()
        return web.Response()

    def _is_from_telegram(self, request: web.Request) -> bool:
        given = request.headers.get(SECRET_HEADER, "").encode(errors="replace")
        return hmac.compare_digest(given, self._secret)


def _parse(body: bytes) -> dict[str, Any] | None:
    try:
        update = json.loads(body)
    except ValueError:
        return None
    if not isinstance(update, dict) or not isinstance(update.get("update_id"), int):
        return None
    return update


def _later() -> web.Response:
    return web.Response(status=503, headers={"Retry-After": RETRY_AFTER})
