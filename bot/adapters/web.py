"""The HTTP server: liveness, readiness and metrics, the webhook for Telegram's updates, and the
pages behind links. Delivery is at least once: an update is accepted when the ledger has it, and
not before.
"""

import asyncio
import hmac
import json
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final, Protocol

import structlog
from aiohttp import HttpVersion11, web
from aiohttp.hdrs import EXPECT
from yarl import URL

from bot.adapters.web_limits import Address, Connections, Handler, Proxies, WebLimits
from bot.core.errors import PortTaken
from bot.supervision import STANDBY, ProcessPhase, ReadinessReport

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class MetricsPage:
    """The bytes of a page, and their content type."""

    body: bytes
    content_type: str


class MonitoringPages:
    """The handlers. `look` and `page` are called at each request; neither names a user."""

    def __init__(
        self,
        look: Callable[[], Awaitable[ReadinessReport]],
        page: Callable[[], Awaitable[MetricsPage]],
    ) -> None:
        self._look = look
        self._page = page

    async def alive(self, _: web.BaseRequest) -> web.Response:
        """Answer 200 while the event loop runs; a hanging process does not answer."""
        return web.Response(text="ok\n")

    async def ready(self, request: web.BaseRequest) -> web.Response:
        """Answer 200 if the bot can work, otherwise 503 with the reasons. With the query `active`,
        200 also where it only lacks something, and neither stands by nor stops: a reverse proxy
        before several fronts asks which of them has webhook and pages, and a missing worker stops
        neither.
        """
        found = await self._look()
        is_well = found.ready or (request.query_string == "active" and _is_active(found))
        body = {
            "ready": found.ready,
            "state": found.phase.value,
            "reasons": list(found.reasons),
            "telegram_heard_at": _moment(found.last_poll_at),
            "oss_well_at": _moment(found.oss_well_at),
        }
        return web.json_response(body, status=200 if is_well else 503)

    async def metrics(self, _: web.BaseRequest) -> web.Response:
        """Return the metrics page for Prometheus."""
        page = await self._page()
        return web.Response(body=page.body, headers={"Content-Type": page.content_type})


def _is_active(found: ReadinessReport) -> bool:
    return found.phase is not ProcessPhase.STOPPING and STANDBY not in found.causes


def _moment(when: datetime | None) -> str | None:
    return when.isoformat(timespec="seconds") if when is not None else None


SECRET_HEADER: Final = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 -- the header's name.
RETRY_AFTER: Final = "5"
"""Seconds. Telegram repeats an update for 24 hours, and respects this header (source: github
tdlib/telegram-bot-api `WebhookActor.cpp`).
"""

Take = Callable[[dict[str, Any]], Awaitable[None]]
"""Returns when the update is in the ledger; raises an error if it cannot be stored."""


class WebhookRoute:
    """The handler at `path`. While updates are not taken, or `may_take` says no, Telegram is asked
    to come again.
    """

    def __init__(
        self, path: str, secret: str, *, may_take: Callable[[], bool] = lambda: True
    ) -> None:
        self.path = path
        self._secret = secret.encode()
        self._take: Take | None = None
        self._may_take = may_take
        self._body_timeout = WebLimits().body

    def __repr__(self) -> str:
        return f"WebhookRoute(path={self.path!r})"

    def open(self, take: Take) -> None:
        """Pass updates to `take` from now on."""
        self._take = take

    def close(self) -> None:
        """Accept no more updates; those in progress continue."""
        self._take = None

    def limit(self, limits: WebLimits) -> None:
        """Give bodies so much time."""
        self._body_timeout = limits.body

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Take one update.

        200: the ledger has it. 403: not from Telegram. 400: no update; 413: none has a body of
        more than a MiB, which is the library's limit. 408: the body came too slowly. 503: not now.
        """
        # Before the body is read: unauthenticated requests must not fill the memory.
        if not self._is_from_telegram(request):
            return web.Response(status=403)
        try:
            async with asyncio.timeout(self._body_timeout):
                update = _parse(await request.read())
        except TimeoutError:
            return web.Response(status=408, headers={"Connection": "close"})
        if update is None:
            log.warning("webhook update refused, unreadable")
            return web.Response(status=400)
        if self._take is None or not self._may_take():
            return _later()
        try:
            await self._take(update)
        except Exception:
            # After any error the update is not stored. Polling would end here, but a webhook can
            # take the next update.
            log.exception("webhook update not taken", update=update["update_id"])
            return _later()
        return web.Response()

    def _is_from_telegram(self, request: web.BaseRequest) -> bool:
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


NO_LOG: Final = logging.Logger("access", logging.CRITICAL)  # noqa: LOG001 -- one of its own.
"""An access log without lines, which would be requests of monitoring systems."""
LAST_ANSWERS: Final = 1.0
"""Seconds for requests in progress at the end."""


class Site(Protocol):
    """Answers every request that is not for monitoring or the webhook."""

    async def handle(
        self, request: web.BaseRequest, visitor: Address | None
    ) -> web.StreamResponse:
        """Answer a request; `visitor` is who asks, as far as that is known."""


@asynccontextmanager
async def open_web(  # noqa: PLR0913 -- the options by keyword.
    host: str,
    port: int,
    pages: MonitoringPages,
    hook: WebhookRoute | None = None,
    *,
    limits: WebLimits | None = None,
    proxies: Proxies | None = None,
    site: Site | None = None,
) -> AsyncIterator[int]:
    """Listen on `host`, and yield the port (0 takes a free one); stop at the end. Monitoring is
    answered to this machine and to those that `proxies` trusts.

    Raises:
        PortTaken: the address cannot be listened on.
    """
    proxies = proxies or Proxies()
    exempt = proxies.trusts if site is not None else None
    connections = Connections(limits or WebLimits(), exempt=exempt)
    requests = _requests(pages, hook, connections, proxies, site)
    runner = web.ServerRunner(web.Server(requests.answer), shutdown_timeout=LAST_ANSWERS)
    await runner.setup()
    try:
        server = await _listen(runner, connections, host, port)
        try:
            bound = int(server.sockets[0].getsockname()[1])
            log.info("web server listens", host=host, port=bound)
            yield bound
        finally:
            server.close()
    finally:
        await runner.cleanup()


class _Requests:
    """Answers each request of a server: by the route of its method and path, or by `others`.

    A map, because the library's own application takes a sixth of the time of a download to find a
    route and to call it.
    """

    def __init__(self, connections: Connections, others: Handler) -> None:
        self._connections = connections
        self._others = others
        self._routes: dict[tuple[str, str], Handler] = {}

    def add(self, method: str, path: str, handler: Handler) -> None:
        """Answer requests for this path, however it is encoded, by `handler`."""
        self._routes[method, path] = handler

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request; every answer has the headers of `QUIET`."""
        route = self._routes.get((request.method, request.rel_url.path_safe), self._others)
        try:
            if EXPECT in request.headers:
                await _expect(request)
            response = await self._connections.answer(request, route)
        except web.HTTPException as refused:
            _complete(refused.headers)
            raise
        _complete(response.headers)
        return response


async def _expect(request: web.BaseRequest) -> None:
    """Let a client go on that waits with its body until it is told to."""
    if request.version != HttpVersion11:
        return
    if request.headers[EXPECT].lower() != "100-continue":
        raise web.HTTPExpectationFailed
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    # The library must not take it for the begin of the answer.
    request.writer.output_size = 0


def _requests(
    pages: MonitoringPages,
    hook: WebhookRoute | None,
    connections: Connections,
    proxies: Proxies,
    site: Site | None,
) -> _Requests:
    async def others(request: web.BaseRequest) -> web.StreamResponse:
        if site is None:
            return web.Response(status=404, text="404: Not Found")
        return await site.handle(request, proxies.visitor(request))

    def guarded(handler: Handler) -> Handler:
        async def monitor(request: web.BaseRequest) -> web.StreamResponse:
            return await (handler if proxies.may_monitor(request) else others)(request)

        return monitor

    requests = _Requests(connections, others)
    monitoring = {"/healthz": pages.alive, "/readyz": pages.ready, "/metrics": pages.metrics}
    for path, handler in monitoring.items():
        for method in ("GET", "HEAD"):
            requests.add(method, path, guarded(handler))
    if hook is not None:
        hook.limit(connections.limits)
        requests.add("POST", URL(f"http://any{hook.path}").path_safe, hook.handle)
    return requests


QUIET: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "file-relay",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}
"""Headers of every answer that does not have others: nothing is stored, framed, sniffed, indexed
or told to others. HSTS is for the reverse proxy, which has the certificate.
"""


def _complete(headers: MutableMapping[str, str]) -> None:
    for name, value in QUIET.items():
        headers.setdefault(name, value)


class QuietHandler(web.RequestHandler):
    """Answers what is no request of HTTP with its status alone. The library's own answer repeats
    bytes of the request, and its line in the log the address of a page.
    """

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the answer, after which the connection is closed."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            super().handle_error(request, status, exc, message)
        response = web.Response(status=status, text=f"{status}\n", headers=QUIET)
        response.force_close()
        return response


async def _listen(
    runner: web.ServerRunner, connections: Connections, host: str, port: int
) -> asyncio.Server:
    server, loop = runner.server, asyncio.get_running_loop()
    assert server is not None  # noqa: S101 -- `setup` has made it.

    def handler() -> QuietHandler:
        # Nothing that is sent here is compressed, and what is must not grow.
        return QuietHandler(server, loop=loop, access_log=NO_LOG, auto_decompress=False)

    try:
        return await loop.create_server(
            connections.factory(handler),
            host,
            port,
            backlog=connections.limits.accepted_at_once,
        )
    except OSError as error:
        # The text of the event loop repeats the address.
        why = os.strerror(error.errno) if error.errno else str(error)
        raise PortTaken(f"web.port: cannot listen on {host}:{port}: {why}") from error
