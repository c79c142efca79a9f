"""Client of the control verbs of a stand-in in another process; the base of both clients."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import aiohttp

from bot.sandbox.faults import Fault


class ControlRefused(ValueError):
    """The stand-in refused a call; the text says why."""


class RemoteStandIn:
    """A session with the stand-in at `url` (`http://127.0.0.1:PORT`); an async context manager.

    Every method raises `ControlRefused` for wrong arguments, `RuntimeError` outside the context
    and `aiohttp.ClientError` when there is no stand-in.
    """

    prefix = "/control/"

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # Waits are bounded by the stand-in, so the client has no limit of its own.
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask(self, verb: str, **arguments: Any) -> Any:
        """Call a verb and return its result.

        Raises:
            TimeoutError: what was waited for did not happen in time.
        """
        if self._session is None:
            raise RuntimeError(f"use {type(self).__name__} in an async with block")
        url = f"{self._url}{self.prefix}{verb}"
        async with self._session.post(url, json=arguments) as answer:
            status, body = answer.status, await answer.json()
        if status == 408:
            raise TimeoutError(body["error"])
        if status != 200:
            raise ControlRefused(body["error"])
        return self.result(body)

    def result(self, body: Any) -> Any:
        """Return the result in the JSON of an answer."""
        return body

    async def log(
        self,
        operation: str | None = None,
        *,
        since: int = 0,
        at_least: int = 0,
        timeout: float = 20.0,
    ) -> list[dict[str, Any]]:
        """Return the requests (`at`, `operation`, `params`, `status`) from number `since` on.

        Wait until there are `at_least` so many or `timeout` seconds have passed.
        """
        limits = {"since": since, "at_least": at_least, "timeout": timeout}
        entries: list[dict[str, Any]] = await self.ask("log", operation=operation, **limits)
        return entries

    async def add_fault(self, fault: Fault) -> None:
        """Append a fault to the script."""
        await self.ask(
            "add_fault",
            operation=fault.operation,
            effect=fault.effect.value,
            times=fault.times,
            skip=fault.skip,
            where=fault.where,
            args=fault.args,
        )

    async def faults(self) -> list[dict[str, Any]]:
        """Return the faults added by control calls, with their `hits`."""
        faults: list[dict[str, Any]] = await self.ask("faults")
        return faults

    async def clear_faults(self) -> None:
        """Remove all faults."""
        await self.ask("clear_faults")

    async def set_shape(self, **changes: float | None) -> Mapping[str, float | None]:
        """Change latency (seconds) and bandwidth (bytes per second); return all fields."""
        shape: dict[str, float | None] = await self.ask("shape", **changes)
        return shape
