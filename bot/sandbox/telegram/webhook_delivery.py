"""Delivery of updates to a webhook: in order per chat, repeated until it is answered.

Source: github tdlib/telegram-bot-api `WebhookActor.cpp` (headers, order, retries, 410).
"""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

import aiohttp

from bot.sandbox.faults import Effect, FaultScript
from bot.sandbox.telegram.params import Params
from bot.sandbox.telegram.updates import PendingUpdate
from bot.sandbox.telegram.webhook import WebhookTarget
from bot.sandbox.telegram.world import World

CLOSED_AFTER: Final = timedelta(hours=23)
"""How long a webhook may answer 410 (Gone) before it is removed."""

LONGEST_PAUSE: Final = 3600.0
"""Seconds that a `Retry-After` of the webhook can ask for."""

Run = Callable[[str, Params], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """One attempt: `status` is 0 when there was no answer."""

    at: datetime
    update_id: int
    attempt: int
    status: int


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    pause: float | None
    body: Any


class WebhookSender:
    """Sends queued updates to the webhook while one is set.

    Pauses between attempts use the clock, the wait for an answer (`timeout`, seconds) is real.
    `run` calls a method of the Bot API: the answer of a webhook may hold one.
    """

    def __init__(self, world: World, faults: FaultScript, run: Run) -> None:
        self.timeout = 60.0
        self.log: list[DeliveryAttempt] = []
        self._world = world
        self._faults = faults
        self._run = run
        self._queues: dict[int, deque[PendingUpdate]] = {}
        self._workers: dict[int, asyncio.Task[None]] = {}
        self._session: aiohttp.ClientSession | None = None
        self._slots = asyncio.Semaphore()
        self._gone_since: datetime | None = None
        world.updates.on_add.append(self._add)
        world.webhook.on_change = self._restart

    async def start(self) -> None:
        """Open the HTTP session."""
        timeout = aiohttp.ClientTimeout(total=None)
        # Every worker has one connection of its own, which the semaphore counts.
        connector = aiohttp.TCPConnector(limit=0)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=connector)

    async def stop(self) -> None:
        """Cancel all deliveries."""
        workers = self._cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _cancel(self) -> list[asyncio.Task[None]]:
        workers = list(self._workers.values())
        for worker in workers:
            worker.cancel()
        self._workers.clear()
        self._queues.clear()
        return workers

    def _restart(self) -> None:
        self._cancel()
        self._gone_since = None
        target = self._world.webhook.target
        if target is not None:
            self._slots = asyncio.Semaphore(target.max_connections)
            for update in self._world.updates.waiting:
                self._add(update)

    def _add(self, update: PendingUpdate) -> None:
        target = self._world.webhook.target
        if target is None or self._session is None:
            return
        queue = self._queues.setdefault(update.chat_id, deque())
        queue.append(update)
        if update.chat_id not in self._workers:
            work = asyncio.create_task(self._work(update.chat_id, queue, target))
            self._workers[update.chat_id] = work

    async def _work(
        self, chat_id: int, queue: deque[PendingUpdate], target: WebhookTarget
    ) -> None:
        while queue:
            await self._deliver(queue.popleft(), target)
        del self._workers[chat_id]

    async def _deliver(self, update: PendingUpdate, target: WebhookTarget) -> None:
        attempt = 0
        while update in self._world.updates.waiting:
            attempt += 1
            async with self._slots:
                answer = await self._post(update, target, attempt)
            if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
                await self._confirm(update, answer)
                return
            self._failed(answer)
            now = self._world.clock.now()
            await self._world.touch()
            await self._world.clock.sleep_until(now + _pause(attempt, answer.pause))

    async def _confirm(self, update: PendingUpdate, answer: _Answer) -> None:
        self._gone_since = None
        if update.repeats:
            update.repeats -= 1
            self._queues[update.chat_id].appendleft(update)
        else:
            self._world.updates.drop(update.id)
        if isinstance(answer.body, dict) and isinstance(answer.body.get("method"), str):
            params = Params()
            params.add_json(answer.body)
            await self._run(answer.body["method"], params)
        await self._world.touch()

    def _failed(self, answer: _Answer) -> None:
        reason = "Read timeout expired"
        if answer.status:
            phrase = HTTPStatus(answer.status).phrase
            reason = f"Wrong response from the webhook: {answer.status} {phrase}"
        self._world.webhook.failed(reason)
        now = self._world.clock.now()
        if answer.status != HTTPStatus.GONE:
            self._gone_since = None
        elif self._gone_since is None:
            self._gone_since = now
        elif now - self._gone_since >= CLOSED_AFTER:
            self._world.webhook.remove()

    async def _post(self, update: PendingUpdate, target: WebhookTarget, attempt: int) -> _Answer:
        fault = self._faults.take("webhook", {"update_id": update.id, "attempt": attempt})
        if fault is not None and fault.effect is Effect.TWICE:
            update.repeats += 1
        answer = _Answer(0, None, None)
        with suppress(aiohttp.ClientError, TimeoutError):
            async with asyncio.timeout(self.timeout):
                answer = await self._send(update, target)
        if fault is not None and fault.effect is Effect.LOST:
            answer = _Answer(0, None, None)
        now = self._world.clock.now()
        self.log.append(DeliveryAttempt(now, update.id, attempt, answer.status))
        return answer

    async def _send(self, update: PendingUpdate, target: WebhookTarget) -> _Answer:
        if self._session is None:
            return _Answer(0, None, None)
        headers = {"X-Telegram-Bot-Api-Secret-Token": target.secret} if target.secret else {}
        async with self._session.post(
            target.url, json=update.payload, headers=headers
        ) as response:
            retry_after = response.headers.get("Retry-After", "")
            pause = min(float(retry_after), LONGEST_PAUSE) if retry_after.isdigit() else None
            is_json = response.content_type == "application/json"
            body = await response.json() if is_json and await response.read() else None
            return _Answer(response.status, pause, body)


def _pause(attempt: int, asked: float | None) -> timedelta:
    if asked is not None:
        return timedelta(seconds=asked)
    if attempt == 1:
        return timedelta()
    longest = random.uniform(60, 120)  # noqa: S311 (spreads load, guards nothing.)
    return timedelta(seconds=min(2.0 ** (attempt - 1), longest))
