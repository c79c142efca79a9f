"""Apply faults to Bot API calls: refuse, reset, delay, cut or replace the answer."""

import asyncio
import json
from functools import reduce
from operator import getitem
from typing import Any, Final

from aiohttp import web

from bot.sandbox.faults import Effect, Fault, proxy_page, reset_connection
from bot.sandbox.telegram.errors import ApiError

TEXTS: Final = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden: bot was blocked by the user",
    404: "Not Found",
    409: "Conflict: terminated by other getUpdates request; make sure that only one bot instance"
    " is running",
    500: "Internal Server Error",
    502: "Bad Gateway",
    504: "Gateway Timeout",
}
OWN: Final = frozenset({"status", "description", "code"})


def error_of(fault: Fault) -> ApiError:
    """Return the error of an `ERROR` fault; further arguments are its `parameters`."""
    parameters: dict[str, Any] = {
        name: value for name, value in fault.args.items() if name not in OWN
    }
    default = 400 if "migrate_to_chat_id" in parameters else 500
    default = 429 if "retry_after" in parameters else default
    status = int(fault.args.get("status", fault.args.get("code", default)))
    text = fault.args.get("description") or _text(status, parameters)
    return ApiError(status, str(text), parameters)


def _text(status: int, parameters: dict[str, Any]) -> str:
    if status == 429:
        parameters.setdefault("retry_after", 1)
        return f"Too Many Requests: retry after {parameters['retry_after']}"
    if "migrate_to_chat_id" in parameters:
        return "Bad Request: group chat was upgraded to a supergroup chat"
    return TEXTS.get(status, f"Error {status}")


def page_of(fault: Fault) -> web.Response:
    """Return the answer of a proxy."""
    status = int(fault.args.get("status", 502))
    text = str(fault.args.get("body", proxy_page(status)))
    return web.Response(status=status, text=text, content_type="text/html")


async def before(fault: Fault, request: web.BaseRequest) -> web.Response | None:
    """Apply a fault before the request is executed; `None` lets the request go on.

    Raises:
        ApiError: the fault is a refusal.
    """
    if fault.effect is Effect.ERROR:
        raise error_of(fault)
    if fault.effect is Effect.HTML:
        return page_of(fault)
    if fault.effect is Effect.STALL:
        await asyncio.sleep(float(fault.args.get("seconds", 60)))
    if fault.effect in {Effect.RESET, Effect.STALL}:
        return reset_connection(request)
    return None


async def after(
    fault: Fault, request: web.BaseRequest, answer: web.Response
) -> web.StreamResponse:
    """Apply a fault after the request was executed."""
    if fault.effect is Effect.LOST:
        return reset_connection(request)
    if fault.effect is Effect.LATE:
        await asyncio.sleep(float(fault.args.get("seconds", 1)))
    if fault.effect is Effect.TRUNCATE:
        return await _cut(fault, request, answer)
    if fault.effect is Effect.ODD:
        text = fault.args.get("body", f'{{"ok": true, "result": {fault.args.get("result")}}}')
        return web.Response(text=str(text), content_type="application/json")
    if fault.effect is Effect.CHANGED:
        return _changed(fault, answer)
    return answer


def _changed(fault: Fault, answer: web.Response) -> web.Response:
    """Return the answer with one place changed; a path that it lacks changes nothing."""
    document = json.loads(answer.text or "null")
    *above, last = json.loads(str(fault.args["path"]))
    try:
        inner = reduce(getitem, above, document)
        inner[last]
        if "value" in fault.args:
            inner[last] = json.loads(str(fault.args["value"]))
        else:
            del inner[last]
    except (LookupError, TypeError):
        return answer
    return web.json_response(document, status=answer.status)


async def _cut(fault: Fault, request: web.BaseRequest, answer: web.Response) -> web.StreamResponse:
    body = answer.body if isinstance(answer.body, bytes) else b""
    cut = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
    cut.content_length = len(body)
    await cut.prepare(request)
    await cut.write(body[: int(fault.args.get("bytes", len(body) // 2))])
    return reset_connection(request)
