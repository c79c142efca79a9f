"""One HTTP exchange: route, token, log, faults, method, envelope."""

import asyncio
import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from bot.sandbox.faults import Effect, Fault, FaultScript, reset_connection
from bot.sandbox.request_log import LoggedRequest, RequestLog
from bot.sandbox.shaping import Bandwidth
from bot.sandbox.telegram import wire_faults
from bot.sandbox.telegram.downloads import Downloads
from bot.sandbox.telegram.errors import (
    ApiError,
    malformed_token,
    missing,
    not_found,
    unauthorized,
)
from bot.sandbox.telegram.local_mode import RequestCutOff
from bot.sandbox.telegram.methods import METHODS, Described, Method
from bot.sandbox.telegram.methods.known import KNOWN
from bot.sandbox.telegram.params import Params, decode
from bot.sandbox.telegram.world import World

_PATH: Final = re.compile(r"^/bot([^/]*)(?:/test)?/([^/]*)$")
_FILE: Final = re.compile(r"^/file/bot([^/]*)/(.+)$")

dumps: Final[Callable[[Any], str]] = json.JSONEncoder(ensure_ascii=False).encode


class RequestHandler:
    """Answers requests for one bot."""

    def __init__(
        self, world: World, token: str, faults: FaultScript, bandwidth: Bandwidth, folder: Path
    ) -> None:
        self.world = world
        self.token = token
        self.faults = faults
        self.bandwidth = bandwidth
        self.folder = folder
        self.log: RequestLog = world.log
        self.downloads = Downloads(bandwidth)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        await asyncio.sleep(self.bandwidth.shape.latency)
        try:
            if match := _PATH.match(request.path):
                return await self._call(request, *match.groups())
            if match := _FILE.match(request.path):
                return await self._download(request, *match.groups())
            raise not_found()
        except ApiError as error:
            return refusal(error)
        except ConnectionError:
            # The client is gone, as one that was killed.
            return reset_connection(request)

    async def _call(self, request: web.BaseRequest, token: str, name: str) -> web.StreamResponse:
        params = await decode(request, self.folder)
        name = name or params.text("method")
        method = METHODS.get(name.lower())
        entry = LoggedRequest(self.world.clock.now(), method[0] if method else name, params.values)
        await self.log.add(entry)
        try:
            self._authorize(token)
            answer = await self._faulty(request, entry, name, params)
        except ApiError as error:
            answer = refusal(error)
        except RequestCutOff:
            answer = reset_connection(request)
        entry.status = answer.status if _arrives(request) else 0
        await self.log.touch()
        return answer

    async def run(self, name: str, params: Params) -> None:
        """Call the method in a webhook's answer; the result is dropped."""
        entry = LoggedRequest(self.world.clock.now(), name, params.values)
        await self.log.add(entry)
        entry.status = (await self._apply(name, params)).status
        await self.log.touch()

    async def _faulty(
        self, request: web.BaseRequest, entry: LoggedRequest, name: str, params: Params
    ) -> web.StreamResponse:
        fault = self.faults.take(entry.operation, params.values)
        if fault is not None:
            early = await wire_faults.before(fault, request)
            if early is not None:
                return early
            if fault.effect is Effect.HELD:
                await self._hold(float(fault.args.get("seconds", 60)))
            if fault.effect is Effect.TWICE:
                self.world.updates.repeat_next()
        answer = await self._apply(name, params)
        await self.log.touch()
        return await wire_faults.after(fault, request, answer) if fault else answer

    async def _hold(self, seconds: float) -> None:
        clock = self.world.clock
        await clock.sleep_until(clock.now() + timedelta(seconds=seconds))

    async def _apply(self, name: str, params: Params) -> web.Response:
        try:
            result = await self._method(name)(self.world, params)
        except ApiError as error:
            return refusal(error)
        if isinstance(result, Described):
            return envelope({"ok": True, "result": result.result}, result.description)
        return envelope({"ok": True, "result": result})

    def _method(self, name: str) -> Method:
        absent = {method.lower() for method in self.world.missing_methods}
        if name.lower() in absent or name.lower() not in KNOWN:
            raise ApiError(404, "Not Found: method not found")
        if name.lower() not in METHODS:
            raise missing(f"method {name}")
        return METHODS[name.lower()][1]

    def _authorize(self, token: str) -> None:
        # The order of the checks and their texts are those of `ClientManager.cpp`.
        if token.startswith("0") or len(token) > 80 or ":" not in token:
            raise malformed_token()
        if token != self.token or self.world.logged_out:
            raise unauthorized()

    async def _download(
        self, request: web.BaseRequest, token: str, path: str
    ) -> web.StreamResponse:
        params = {"path": path, "range": request.headers.get("Range")}
        entry = LoggedRequest(self.world.clock.now(), "file", dict(params))
        await self.log.add(entry)
        try:
            self._authorize(token)
            answer = await self._file(request, path, entry)
        except ApiError as error:
            answer = refusal(error)
        entry.status = answer.status if _arrives(request) else 0
        await self.log.touch()
        return answer

    async def _file(
        self, request: web.BaseRequest, path: str, entry: LoggedRequest
    ) -> web.StreamResponse:
        fault: Fault | None = self.faults.take("file", entry.params)
        if fault is not None and fault.effect in {Effect.ERROR, Effect.HTML}:
            early = await wire_faults.before(fault, request)
            if early is not None:
                return early
        if fault is not None and fault.effect is Effect.LATE:
            await asyncio.sleep(float(fault.args.get("seconds", 1)))
        if fault is not None and fault.effect is Effect.LOST:
            return reset_connection(request)
        # A local server has no `/file` at all.
        stored = self.world.files.at_path(path) if self.world.local is None else None
        if stored is None or not stored.source.is_file():
            raise not_found()
        return await self.downloads.send(request, stored, fault)


def _arrives(request: web.BaseRequest) -> bool:
    return request.transport is not None and not request.transport.is_closing()


def envelope(body: dict[str, Any], description: str | None = None) -> web.Response:
    """Return an answer with `ok` true."""
    if description is not None:
        body["description"] = description
    return web.Response(text=dumps(body), content_type="application/json")


def refusal(error: ApiError) -> web.Response:
    """Return an answer with `ok` false; `retry_after` is in the header too."""
    body: dict[str, Any] = {
        "ok": False,
        "error_code": error.status,
        "description": error.description,
    }
    headers = {}
    if error.parameters:
        body["parameters"] = error.parameters
    if "retry_after" in error.parameters:
        headers["Retry-After"] = str(error.parameters["retry_after"])
    return web.Response(
        status=error.status, text=dumps(body), content_type="application/json", headers=headers
    )
