"""One HTTP exchange: decode, log, apply faults, execute, answer."""

import asyncio
import base64
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NoReturn

from aiohttp import web

from bot.sandbox.faults import Effect, Fault, FaultScript, close_connection, reset_connection
from bot.sandbox.oss.bodies import ConnectionBroken, Drip, RequestBody, ResponseBody
from bot.sandbox.oss.dispatch import authenticate, execute
from bot.sandbox.oss.errors import OssError, invalid_argument
from bot.sandbox.oss.model import Answer, AuthMethod
from bot.sandbox.oss.operations import Operation, find_operation
from bot.sandbox.oss.reading import http_date
from bot.sandbox.oss.request import OssRequest, decode
from bot.sandbox.oss.wire_faults import (
    change_answer,
    check_undeleted,
    kept_keys,
    page_of,
    requested_error,
)
from bot.sandbox.oss.world import World, new_request_id
from bot.sandbox.request_log import LoggedRequest, RequestLog
from bot.sandbox.shaping import Bandwidth

_UNLOGGED = {
    "x-oss-signature",
    "x-oss-credential",
    "x-oss-security-token",
    "security-token",
    "Signature",
    "OSSAccessKeyId",
}
_BEFORE = {Effect.ERROR, Effect.RESET, Effect.STALL}
_TRAFFIC_LIMITS = range(819_200, 838_860_800 + 1)
"""Bits per second that a client may ask for (OSS documentation, "single-connection bandwidth")."""


@dataclass
class RequestHandler:
    """Answers requests; one for each server. `closing` ends the waits of faults."""

    world: World
    log: RequestLog
    faults: FaultScript
    bandwidth: Bandwidth
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, http: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, or break its connection."""
        try:
            return await self._exchange(http)
        except ConnectionBroken as broken:
            return close_connection(http) if broken.after_flush else reset_connection(http)

    async def _exchange(self, http: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(self.bandwidth.shape.latency)
        request_id = new_request_id()
        entry = LoggedRequest(self.world.now(), "Unknown")
        fault: Fault | None = None
        upload = RequestBody(http, self.bandwidth)
        try:
            request = self._decode(http)
            operation = find_operation(request)
            fault = await self._record(entry, operation, request)
            answer = await self._answer(request, operation, fault, upload, entry)
        except OssError as error:
            answer = _refusal(error, request_id, http)
        answer.headers |= self._common_headers(request_id)
        if fault is not None and fault.effect is Effect.HTML:
            answer = page_of(fault)
        return await self._send(http, answer, fault, entry)

    def _decode(self, http: web.BaseRequest) -> OssRequest:
        headers = {name.lower(): value for name, value in http.headers.items()}
        return decode(http.method, http.raw_path, headers, self.world.domains)

    async def _record(
        self, entry: LoggedRequest, operation: Operation, request: OssRequest
    ) -> Fault | None:
        entry.operation = operation.name
        entry.params = {name: value for name, value in request.pairs if name not in _UNLOGGED}
        entry.params |= {
            "bucket": request.bucket,
            "key": request.key,
            "size": request.length or 0,
            "auth": _claimed_auth(request),
        }
        await self.log.add(entry)
        return self.faults.take(entry.operation, entry.params)

    async def _answer(
        self,
        request: OssRequest,
        operation: Operation,
        fault: Fault | None,
        upload: RequestBody,
        entry: LoggedRequest,
    ) -> Answer:
        if fault is not None and fault.effect in _BEFORE:
            await self._apply_fault(fault, upload)
        if fault is not None and fault.effect is Effect.HTML and not fault.args.get("applied"):
            return Answer()
        upload.limit = _traffic_limit(request)
        caller = authenticate(self.world, request)
        check_undeleted(fault, operation, request)
        kept = kept_keys(fault)
        try:
            answer = await execute(self.world, request, operation, caller, upload, kept)
        finally:
            entry.params["size"] = upload.received or entry.params["size"]
            await self.log.touch()
        answer.limit = upload.limit
        return answer

    async def _apply_fault(self, fault: Fault, upload: RequestBody) -> NoReturn:
        """Apply a fault that happens before the request is executed."""
        args = fault.args
        if fault.effect is Effect.ERROR:
            raise requested_error(fault)
        if "bytes" in args and int(args["bytes"]) > 0:
            await upload.drain(int(args["bytes"]))
        if fault.effect is Effect.STALL:
            await self._pause(float(args.get("seconds", 60)))
        raise ConnectionBroken

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.closing.wait(), seconds)

    async def _send(
        self, http: web.BaseRequest, answer: Answer, fault: Fault | None, entry: LoggedRequest
    ) -> web.StreamResponse:
        effect = fault.effect if fault is not None else None
        args = fault.args if fault is not None else {}
        if effect is Effect.LOST:
            raise ConnectionBroken
        if effect is Effect.LATE:
            await self._pause(float(args.get("seconds", 60)))
        change_answer(fault, answer)
        download = ResponseBody(http, self.bandwidth, self.world.storage, answer.limit)
        if effect is Effect.TRUNCATE:
            download.cut = int(args.get("bytes", 0))
        if effect is Effect.DRIP:
            download.drip = Drip(
                int(args.get("bytes", 1)), float(args.get("seconds", 1)), self.closing
            )
        entry.status = answer.status
        await self.log.touch()
        response = await download.send(answer)
        if args.get("close") and http.transport is not None:
            http.transport.close()
        return response

    def _common_headers(self, request_id: str) -> dict[str, str]:
        return {
            "Server": "AliyunOSS",
            "Date": http_date(self.world.now()),
            "x-oss-request-id": request_id,
            "x-oss-server-time": "1",
        }


def _claimed_auth(request: OssRequest) -> str:
    if request.header("authorization"):
        return AuthMethod.HEADER.value
    if request.has("x-oss-signature") or request.has("Signature"):
        return AuthMethod.QUERY.value
    return AuthMethod.ANONYMOUS.value


def _traffic_limit(request: OssRequest) -> float | None:
    """Return the bytes per second that the client asked for."""
    text = request.header("x-oss-traffic-limit") or request.query("x-oss-traffic-limit")
    if not text:
        return None
    if not text.isdigit() or int(text) not in _TRAFFIC_LIMITS:
        message = "The bandwidth limit must be between 819200 and 838860800 bits per second."
        raise invalid_argument(message, "x-oss-traffic-limit", text)
    return int(text) / 8


def _refusal(error: OssError, request_id: str, http: web.BaseRequest) -> Answer:
    """Return the answer for a refusal; HEAD carries the document in a header."""
    body = error.body(request_id, http.host)
    headers = {"Content-Type": "application/xml", **error.headers}
    if error.ec:
        headers["x-oss-ec"] = error.ec
    if http.method == "HEAD":
        headers["x-oss-err"] = base64.b64encode(body).decode()
    return Answer(error.status, headers, body)
