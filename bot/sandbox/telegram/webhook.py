"""The webhook of the bot, to which updates are sent instead of polled.

Texts and limits: github tdlib/telegram-bot-api `Client.cpp` (`process_set_webhook_query` and
around).
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from bot.sandbox.clock import SandboxClock
from bot.sandbox.telegram.errors import bad_request, conflict, too_many_requests
from bot.sandbox.telegram.params import Params
from bot.sandbox.telegram.updates import UpdateQueue

SECRET: Final = re.compile(r"^[A-Za-z0-9_-]*$")


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """The settings of a webhook."""

    url: str
    secret: str
    max_connections: int
    ip_address: str


class Webhook:
    """The one webhook of a bot; without one, updates wait in the queue."""

    def __init__(self, updates: UpdateQueue, clock: SandboxClock) -> None:
        self._updates = updates
        self._clock = clock
        self._next_set_at = 0.0
        self.target: WebhookTarget | None = None
        self.last_error: tuple[int, str] | None = None
        self.intruder: WebhookTarget | None = None
        self.intrusions = 0
        """How often the program of `intrude` sets it once more after a removal."""
        self.on_change: Callable[[], None] | None = None
        """Called when it was set, changed or removed."""

    @property
    def is_set(self) -> bool:
        """Return whether updates go to a webhook."""
        return self.target is not None

    def set(self, params: Params) -> bool:
        """Set it; return false when nothing changes.

        Raises:
            ApiError: the address or the secret is not allowed, or it was set within the last
                (real) second.
        """
        target = _target(params)
        if target == self.target:
            return False
        now = time.monotonic()
        if now < self._next_set_at:
            raise too_many_requests(1)
        self._next_set_at = now + 1.0
        self._put(target)
        return True

    def _put(self, target: WebhookTarget) -> None:
        self.target, self.last_error = target, None
        self._updates.abort(conflict("terminated by setWebhook request"))
        self._tell()

    def remove(self) -> bool:
        """Remove it; return whether there was one."""
        existed, self.target = self.is_set, None
        if existed:
            self._tell()
            if self.intrusions > 0 and self.intruder is not None:
                self.intrusions -= 1
                self._put(self.intruder)
        return existed

    def intrude(self, url: str, *, again: int = 0) -> None:
        """Set it as another program with the same token does, and `again` so many times at once
        after each removal. A waiting poll ends; further ones get a 409.
        """
        self.intruder, self.intrusions = WebhookTarget(url, "", 40, ""), again
        self._put(self.intruder)

    def _tell(self) -> None:
        if self.on_change is not None:
            self.on_change()

    def info(self) -> dict[str, Any]:
        """Return a `WebhookInfo`."""
        info: dict[str, Any] = {
            "url": self.target.url if self.target else "",
            "has_custom_certificate": False,
            "pending_update_count": len(self._updates.waiting),
        }
        if self.target is not None:
            if self.target.ip_address:
                info["ip_address"] = self.target.ip_address
            if self.last_error is not None:
                info["last_error_date"], info["last_error_message"] = self.last_error
            info["max_connections"] = self.target.max_connections
        if self._updates.allowed is not None:
            info["allowed_updates"] = self._updates.allowed
        return info

    def failed(self, text: str) -> None:
        """Record why a delivery failed."""
        self.last_error = (int(self._clock.now().timestamp()), text)


def _target(params: Params) -> WebhookTarget:
    url, secret = params.text("url"), params.text("secret_token")
    if len(secret) > 256:
        raise bad_request("secret token is too long")
    if not SECRET.match(secret):
        raise bad_request("secret token contains unallowed characters")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    # A local Bot API server takes plain HTTP, any address and any port; so does this one, because
    # there is nothing but loopback here.
    if parts.scheme not in {"http", "https"} or not host:
        raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
    connections = min(max(params.integer("max_connections", 40), 1), 100)
    return WebhookTarget(url, secret, connections, params.text("ip_address"))
