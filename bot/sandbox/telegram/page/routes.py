"""The paths of the chat page, their headers, and who may ask."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Final

from aiohttp import web

from bot.sandbox.origin import is_own
from bot.sandbox.shaping import Bandwidth
from bot.sandbox.telegram.page.events import EventStreams
from bot.sandbox.telegram.page.uploads import UploadRefused, Uploads
from bot.sandbox.telegram.world import World

PREFIX: Final = "/page/"
EVENTS: Final = f"{PREFIX}events"
UPLOAD: Final = f"{PREFIX}upload"

FILES: Final = {
    "/": ("index.html", "text/html"),
    f"{PREFIX}chat.css": ("chat.css", "text/css"),
    f"{PREFIX}chat.mjs": ("chat.mjs", "text/javascript"),
}
"""File and type by path."""

STATIC: Final = Path(__file__).parent / "static"

HEADERS: Final = {
    # The page is one document with one style sheet and one module, all from here.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
        " img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class ChatPage:
    """Answers requests of the page; those of another origin get a 404, as if it were not here."""

    def __init__(self, world: World, bandwidth: Bandwidth, uploads: Uploads) -> None:
        self._uploads = uploads
        self._streams = EventStreams(world, bandwidth)

    def serves(self, path: str) -> bool:
        """Return whether a path belongs to the page."""
        return path == "/" or path.startswith(PREFIX)

    def open(self) -> None:
        """Let event streams begin."""
        self._streams.open()

    async def close(self) -> None:
        """End all event streams."""
        await self._streams.close()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        if not is_own(request):
            return web.Response(status=404, headers=HEADERS)
        match request.method, request.path:
            case "POST", path if path == UPLOAD:
                return await self._receive(request)
            case "GET", path if path == EVENTS:
                return await self._stream(request)
            case "GET", path if path in FILES:
                return await _file(path)
        is_known = request.path in {EVENTS, UPLOAD, *FILES}
        return web.Response(status=405 if is_known else 404, headers=HEADERS)

    async def _receive(self, request: web.BaseRequest) -> web.Response:
        try:
            upload = await self._uploads.receive(request)
        except UploadRefused as error:
            refusal = {"error": str(error)}
            return web.json_response(refusal, status=error.status, headers=HEADERS)
        except ConnectionError:
            # The page has gone; the answer reaches no one, and a traceback would tell nothing.
            return web.Response(status=400, headers=HEADERS)
        shown = {**asdict(upload), "path": str(upload.path)}
        return web.json_response({"result": shown}, headers=HEADERS)

    async def _stream(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = {**HEADERS, "Content-Type": "text/event-stream; charset=utf-8"}
        answer = web.StreamResponse(headers=headers)
        await answer.prepare(request)
        await self._streams.send(answer)
        return answer


async def _file(path: str) -> web.Response:
    name, kind = FILES[path]
    body = await asyncio.to_thread((STATIC / name).read_bytes)
    return web.Response(body=body, content_type=kind, charset="utf-8", headers=HEADERS)
