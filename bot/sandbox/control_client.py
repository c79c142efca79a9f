"""The HTTP half of both clients for stand-ins that run in another process."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import aiohttp


class ControlClient:
    """A session with the stand-in at `url` (`http://127.0.0.1:PORT`); an async context manager."""

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

    async def _post(self, path: str, body: Mapping[str, object]) -> tuple[int, Any]:
        """Post JSON and return the HTTP status and the decoded answer.

        Raises:
            RuntimeError: outside the context.
            aiohttp.ClientError: there is no stand-in.
        """
        if self._session is None:
            raise RuntimeError(f"use {type(self).__name__} in an async with block")
        async with self._session.post(f"{self._url}{path}", json=body) as answer:
            return answer.status, await answer.json()
