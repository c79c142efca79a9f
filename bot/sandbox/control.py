"""Control verbs over HTTP: other processes look at a stand-in, move its clock, add faults.

`POST <prefix><verb>` with a JSON object; answers are JSON. `RemoteStandIn` is the client. Both
stand-ins share the verbs here and add their own. They are no part of either protocol.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, fields
from datetime import timedelta
from typing import Any, Final

from aiohttp import web

from bot.sandbox.clock import SandboxClock
from bot.sandbox.faults import Effect, Fault, FaultScript
from bot.sandbox.origin import is_own
from bot.sandbox.request_log import LoggedRequest, RequestLog
from bot.sandbox.shaping import Bandwidth

LONGEST_WAIT: Final = 60.0
"""Seconds that one call may wait for requests."""

Body = Mapping[str, Any]
Verb = Callable[[Body], Awaitable[Any]]


class Control:
    """Answers control calls. Subclasses set `prefix` and extend `verbs`.

    Answers are 200 with JSON, 400 with a sentence for wrong arguments, 404 for an unknown verb and
    for a page of another origin, 405 for a method that a page can use without an Origin, 408 for a
    wait that ended without success.
    """

    prefix = "/control/"
    refusals: tuple[type[Exception], ...] = (LookupError, TypeError, ValueError, OSError)
    """Errors of verbs that mean wrong arguments."""

    def __init__(
        self,
        clock: SandboxClock,
        log: RequestLog,
        faults: FaultScript,
        bandwidth: Bandwidth,
    ) -> None:
        self.clock = clock
        self.log = log
        self.faults = faults
        self.bandwidth = bandwidth
        self._added: list[Fault] = []

    def verbs(self) -> dict[str, Verb]:
        """Return the verbs by name."""
        return {
            "log": self._read_log,
            "faults": self._change_faults,
            "add_fault": self._add_fault,
            "clear_faults": self._clear_faults,
            "shape": self._change_shape,
        }

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one call."""
        verbs = self.verbs()
        verb = verbs.get(request.path.removeprefix(self.prefix))
        if verb is None or not is_own(request):
            return _refusal(404, f"no such verb; verbs are {', '.join(verbs)}")
        if request.method != "POST":
            return _refusal(405, "a verb is called by POST")
        try:
            result = await verb(await _read_body(request))
        except TimeoutError:
            return _refusal(408, "what was waited for did not happen in time")
        except KeyError as error:
            return _refusal(400, f"missing or unknown: {error}")
        except self.refusals as error:
            return _refusal(400, str(error))
        # A verb may have changed what others wait for.
        await self.log.touch()
        return web.json_response(self.envelope(result))

    def envelope(self, result: Any) -> Any:
        """Return the JSON of an answer."""
        return result

    async def _read_log(self, body: Body) -> Any:
        """Return requests (of `operation`, from number `since` on), oldest first.

        Wait until there are `at_least` so many (answered or not), for at most `timeout` seconds.
        """
        operation, since = body.get("operation"), int(body.get("since", 0))

        def found() -> list[LoggedRequest]:
            return [e for e in list(self.log)[since:] if operation in {None, e.operation}]

        at_least, wait = int(body.get("at_least", 0)), float(body.get("timeout", 0))
        with suppress(TimeoutError):
            await self.log.wait_for(
                lambda: len(found()) >= at_least, timeout=min(wait, LONGEST_WAIT)
            )
        return [{**asdict(entry), "at": entry.at.isoformat()} for entry in found()]

    async def _change_faults(self, body: Body) -> Any:
        """Add a fault, or with `clear` remove all, or without arguments return those added."""
        if body.get("clear"):
            await self._clear_faults(body)
        elif body:
            await self._add_fault(body)
        else:
            return [asdict(fault) for fault in self._added]
        return None

    async def _add_fault(self, body: Body) -> Any:
        fault = Fault(**{**body, "effect": Effect(body["effect"])})
        self._added.append(self.faults.add(fault))
        return asdict(fault)

    async def _clear_faults(self, _: Body) -> Any:
        self.faults.clear()
        self._added.clear()
        return {}

    async def _change_shape(self, body: Body) -> Any:
        """Change the given fields and return all of them."""
        assign(self.bandwidth.shape, body)
        return asdict(self.bandwidth.shape)

    async def _advance_clock(self, body: Body) -> str:
        """Move the clock by `advance` seconds, if given, and return its time."""
        self.clock.advance(timedelta(seconds=float(body.get("advance", 0))))
        return self.clock.now().isoformat()


def assign(settings: Any, changes: Body) -> None:
    """Set fields of a dataclass.

    Raises:
        ValueError: there is no such field; nothing is changed.
    """
    known = {field.name for field in fields(settings)}
    for name in changes:
        if name not in known:
            raise ValueError(f"no setting {name!r}; there are {', '.join(sorted(known))}")
    for name, value in changes.items():
        setattr(settings, name, value)


async def _read_body(request: web.BaseRequest) -> Body:
    text = await request.text()
    body = json.loads(text) if text else {}
    if not isinstance(body, dict):
        raise TypeError("the body must be a JSON object")
    return body


def _refusal(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)
