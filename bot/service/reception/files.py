"""Files that people want to have relayed."""

from bot.core.errors import FileEmpty, FileTooLarge
from bot.core.files import IncomingFile
from bot.core.jobs import Origin
from bot.core.ports.clock import Clock
from bot.core.ports.ledger import Ledger
from bot.service.access import Access, Admission
from bot.service.attempts import News
from bot.service.queue import JobQueue
from bot.service.reception.replies import Replies


class Files:
    """Accepts files, or says why not. `limit` is the most bytes that the bot can be given."""

    def __init__(  # noqa: PLR0913 -- what a file passes on its way into the queue.
        self,
        ledger: Ledger,
        queue: JobQueue,
        access: Access,
        replies: Replies,
        clock: Clock,
        news: News,
        *,
        limit: int,
    ) -> None:
        self._ledger = ledger
        self._queue = queue
        self._access = access
        self._replies = replies
        self._clock = clock
        self._news = news
        self._limit = limit

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
        rules = await self._ledger.people.chat(origin.chat_id)
        # Nobody spoke to the bot, so nobody is told anything, and a group that is not allowed is
        # not left for this.
        if rules.auto and await self._access.admit(origin) is Admission.WELCOME:
            await self._accept(origin, file)

    async def _accept(self, origin: Origin, file: IncomingFile) -> None:
        if file.size is not None and file.size > self._limit:
            args = {"size": file.size, "limit": self._limit}
            await self._replies.notice(origin, _sentence(FileTooLarge.code), args)
        elif file.size == 0:
            await self._replies.notice(origin, _sentence(FileEmpty.code))
        else:
            now = self._clock.now()
            job = await self._ledger.jobs.accept(origin, file, now)
            if job is not None:
                self._queue.enqueue(job.id, origin.owner_id, now)
                self._news.said.set()


def _sentence(code: str) -> str:
    return f"error-{code.replace('_', '-')}"
