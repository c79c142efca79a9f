"""Takes in what people send and press: checks rights and limits, writes the ledger. Calls nobody
on the network.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.core.errors import FileEmpty, FileTooLarge
from bot.core.files import IncomingFile
from bot.core.jobs import Job, JobState, Origin, StopReason
from bot.core.ports.clock import Clock
from bot.core.ports.ledger import Ledger, Priority, Saying, SayingKind
from bot.service.access import Access
from bot.service.attempts import News
from bot.service.queue import JobQueue


class PressAction(StrEnum):
    """What a button asks for."""

    CANCEL = "cancel"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Press:
    """A button that somebody pressed. `action` is `None` where the button is not one of ours, or
    forged.
    """

    query_id: str
    user_id: int
    chat_id: int
    language: str
    action: PressAction | None
    job_id: int


class Reception:
    """One method for each thing a person can do. Each is safe to repeat for a
    redelivered update.
    """

    def __init__(
        self,
        ledger: Ledger,
        queue: JobQueue,
        access: Access,
        clock: Clock,
        news: News,
        *,
        limit: int,
    ) -> None:
        self._ledger = ledger
        self._queue = queue
        self._access = access
        self._clock = clock
        self._news = news
        self._limit = limit

    async def file(self, origin: Origin, file: IncomingFile) -> None:
        """Accept a file, or say why not."""
        if not await self._admit(origin):
            return
        if file.size is not None and file.size > self._limit:
            args = {"size": file.size, "limit": self._limit}
            await self._notice(origin, _sentence(FileTooLarge.code), args)
        elif file.size == 0:
            await self._notice(origin, _sentence(FileEmpty.code))
        else:
            now = self._clock.now()
            job = await self._ledger.jobs.accept(origin, file, now)
            if job is not None:
                self._queue.enqueue(job.id, origin.owner_id, now)
                self._news.said.set()

    async def welcome(self, origin: Origin) -> None:
        """Answer `/start` and `/help`."""
        if await self._admit(origin):
            await self._say(origin, SayingKind.WELCOME, {})

    async def status(self, origin: Origin) -> None:
        """Answer `/status`."""
        if await self._admit(origin):
            await self._say(origin, SayingKind.OVERVIEW, {})

    async def other(self, origin: Origin, *, is_text: bool) -> None:
        """Answer anything else with one line of help."""
        if await self._admit(origin):
            await self._notice(origin, "help-any-text" if is_text else "unsupported-message")

    async def press(self, press: Press) -> None:
        """Do what a button asks for, if the person may, and tell the person what came of it."""
        job = await self._ledger.jobs.get(press.job_id) if press.action else None
        if job is None:
            name = "press-unknown"
        elif not self._may_act_on(press, job):
            name = "press-not-yours"
        elif press.action is PressAction.CANCEL:
            name = await self._cancel(job)
        else:
            name = await self._delete(job)
        await self._ledger.outbox.post(
            Saying(
                kind=SayingKind.PRESS,
                priority=Priority.PRESS,
                chat_id=press.chat_id,
                language=press.language,
                dedupe=f"press:{press.query_id}",
                payload={"name": name, "query_id": press.query_id},
            ),
            self._clock.now(),
        )
        self._news.said.set()

    def _may_act_on(self, press: Press, job: Job) -> bool:
        return press.user_id == job.origin.owner_id or self._access.is_admin(press.user_id)

    async def _cancel(self, job: Job) -> str:
        if job.state.is_final:
            return "press-too-late"
        await self._ledger.jobs.request_cancel(job.id)
        if not self._queue.stop_job(job.id, StopReason.USER):
            return await self._cancel_waiting(job)
        return "cancelling"

    async def _cancel_waiting(self, job: Job) -> str:
        self._queue.withdraw(job.id)
        now = self._clock.now()
        if job.state is JobState.QUEUED and await self._ledger.jobs.cancel(job, now):
            await self._abandon(job, now)
            return "cancelling"
        # It ended, or began, between the look and the change; the running attempt sees the
        # request.
        return "press-too-late"

    async def _abandon(self, job: Job, now: datetime) -> None:
        planned = await self._ledger.objects.planned_for(job.id)
        if planned is not None:
            await self._ledger.objects.abandon(planned.id, now)
            self._news.due.set()

    async def _delete(self, job: Job) -> str:
        if not await self._ledger.objects.revoke(job.id, self._clock.now()):
            return "press-too-late"
        self._news.due.set()
        return "deleted"

    async def _admit(self, origin: Origin) -> bool:
        if self._access.may_use(origin.owner_id):
            return True
        if self._access.should_tell_stranger(origin.owner_id, self._clock.now()):
            await self._notice(origin, "stranger", {"id": origin.owner_id})
        return False

    async def _notice(self, origin: Origin, name: str, args: dict[str, int] | None = None) -> None:
        await self._say(origin, SayingKind.NOTICE, {"name": name} | (args or {}))

    async def _say(self, origin: Origin, kind: SayingKind, payload: dict[str, str | int]) -> None:
        saying = Saying(
            kind=kind,
            priority=Priority.REPLY,
            chat_id=origin.chat_id,
            thread_id=origin.thread_id,
            reply_to=origin.message_id,
            owner_id=origin.owner_id,
            language=origin.language,
            dedupe=f"message:{origin.chat_id}:{origin.message_id}",
            payload=payload,
        )
        if await self._ledger.outbox.post(saying, self._clock.now()):
            self._news.said.set()


def _sentence(code: str) -> str:
    return f"error-{code.replace('_', '-')}"
