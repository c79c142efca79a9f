"""Files that people want to have relayed."""

import asyncio

from bot.core.errors import FileEmpty, FileTooLarge
from bot.core.files import IncomingFile
from bot.core.jobs import Origin
from bot.core.ports.clock import Clock
from bot.core.ports.ledger import Ledger
from bot.inbound.access import Access, Admission, Replies
from bot.jobs.lifecycle import Signals
from bot.jobs.limits import LimitCheck, OwnerLimits
from bot.jobs.queue import JobQueue
from bot.outbound.outbox import Reactions


class Uploads:
    """Accepts files, or says why not. `limit` is the most bytes that the bot can be given,
    `limits` what people and groups may have in a day.
    """

    def __init__(  # noqa: PLR0913 -- what a file passes on its way into the queue.
        self,
        ledger: Ledger,
        queue: JobQueue,
        access: Access,
        replies: Replies,
        clock: Clock,
        signals: Signals,
        *,
        limit: int,
        limits: OwnerLimits,
        reactions: Reactions,
    ) -> None:
        self._ledger = ledger
        self._queue = queue
        self._access = access
        self._replies = replies
        self._clock = clock
        self._signals = signals
        self._limit = limit
        self._reactions = reactions
        self._check = LimitCheck(ledger.chats, limits)
        # Files that come side by side must not all be judged before the first one counts.
        self._door = asyncio.Lock()

    async def sent(self, origin: Origin, file: IncomingFile) -> None:
        """Take a file that was sent to the bot itself."""
        if await self._replies.admit(origin):
            await self._accept(origin, file)

    async def shared(self, origin: Origin, file: IncomingFile | None) -> None:
        """Take the file that a `/share` is about; `None` if it is about none."""
        if not await self._replies.admit(origin):
            return
        if file is None:
            await self._replies.notice(origin, "share-how")
        else:
            await self._accept(origin, file)

    async def seen(self, origin: Origin, file: IncomingFile) -> None:
        """Take a document that went by in a group, if the group wants all of them relayed."""
        rules = await self._ledger.chats.chat(origin.chat_id)
        # Nobody spoke to the bot, so nobody is told anything, and a group that is not allowed is
        # not left for this.
        if rules.auto and await self._access.admit(origin) is Admission.WELCOME:
            await self._accept(origin, file)

    async def _accept(self, origin: Origin, file: IncomingFile) -> None:
        if file.announced_size is not None and file.announced_size > self._limit:
            args = {"size": file.announced_size, "limit": self._limit}
            await self._replies.notice(origin, _sentence(FileTooLarge.code), args)
        elif file.announced_size == 0:
            await self._replies.notice(origin, _sentence(FileEmpty.code))
        else:
            async with self._door:
                await self._let_in(origin, file)

    async def _let_in(self, origin: Origin, file: IncomingFile) -> None:
        now = self._clock.now()
        refusal = await self._check.refusal(origin, file.announced_size or 0, now)
        if refusal is None:
            job = await self._ledger.jobs.accept(origin, file, now)
            if job is not None:
                self._queue.enqueue(job.id, origin.owner_id, now, group_id=origin.group_id)
                await self._reactions.accepted(job)
                self._signals.outbox.set()
        elif await self._ledger.jobs.knows(origin, file):
            # A redelivered message that was accepted when there still was room.
            return
        elif self._check.should_tell(origin, refusal, now):
            await self._replies.notice(origin, refusal.name, refusal.args)


def _sentence(code: str) -> str:
    return f"error-{code.replace('_', '-')}"
