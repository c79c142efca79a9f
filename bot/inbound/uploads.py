"""Files to relay."""

import asyncio
from weakref import WeakValueDictionary

from bot.core.errors import FileEmpty, FileTooLarge
from bot.core.files import IncomingFile
from bot.core.jobs import Origin
from bot.core.limits import LimitCheck, OwnerLimits
from bot.core.ports.clock import Clock
from bot.core.ports.ledger import Ledger
from bot.inbound.access import Access, Admission, Replies
from bot.jobs.queue import JobQueue
from bot.jobs.runner import Signals
from bot.outbound.answer_delivery import Reactions


class Uploads:
    """Accepts files, or replies with the reason why not. `limit` is the most bytes of a file,
    `limits` are those of people and groups per day.
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
        self._doors: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def sent(self, origin: Origin, file: IncomingFile) -> None:
        """Accept a file that was sent to the bot itself."""
        if await self._replies.admit(origin):
            await self._accept(origin, file)

    async def shared(self, origin: Origin, file: IncomingFile | None) -> None:
        """Accept the file that a `/share` refers to; `None` if there is none."""
        if not await self._replies.admit(origin):
            return
        if file is None:
            await self._replies.notice(origin, "share-how")
        else:
            await self._accept(origin, file)

    async def seen(self, origin: Origin, file: IncomingFile) -> None:
        """Accept a document that was seen in a group, if the group has auto mode on."""
        rules = await self._ledger.chats.chat(origin.chat_id)
        # The message was not addressed to the bot, so there is no reply, and a group that is not
        # allowed is not left for this.
        if rules.auto and await self._access.admit(origin) is Admission.WELCOME:
            await self._accept(origin, file)

    async def _accept(self, origin: Origin, file: IncomingFile) -> None:
        if file.announced_size is not None and file.announced_size > self._limit:
            args = {"size": file.announced_size, "limit": self._limit}
            await self._replies.notice(origin, _sentence(FileTooLarge.code), args)
        elif file.announced_size == 0:
            await self._replies.notice(origin, _sentence(FileEmpty.code))
        else:
            async with self._door(origin.owner_id):
                if origin.is_private or origin.chat_id == origin.owner_id:
                    await self._let_in(origin, file)
                    return
                async with self._door(origin.chat_id):
                    await self._let_in(origin, file)

    def _door(self, id_: int) -> asyncio.Lock:
        """Return the lock of a person or group: files that arrive at the same time must not all be
        checked before the first one counts.
        """
        return self._doors.setdefault(id_, asyncio.Lock())

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
            # A redelivered message that was accepted while there was room.
            return
        elif self._check.should_tell(origin, refusal, now):
            await self._replies.notice(origin, refusal.name, refusal.args)


def _sentence(code: str) -> str:
    return f"error-{code.replace('_', '-')}"
