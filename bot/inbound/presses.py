"""Buttons that people press."""

from dataclasses import dataclass

from bot.core.jobs import Job
from bot.core.ports.ledger import JobLedger, OutboxKind, OutboxMessage, Priority
from bot.inbound.access import Access
from bot.inbound.errands import RequestKind
from bot.inbound.replies import Replies
from bot.jobs.actions import JobAction, JobActions


@dataclass(frozen=True, slots=True)
class JobButtonPress:
    """A button that somebody pressed. `action` is `None` where the button is not one of ours, or
    forged.
    """

    query_id: str
    user_id: int
    chat_id: int
    language: str
    action: JobAction | None
    job_id: int


class JobButtons:
    """Does what a button asks for, if the person may, and tells them what came of it.

    A job belongs to whoever asked for it. Others may act on it if they look after the bot, or
    after the group that it came from; the latter only the chat service knows.
    """

    def __init__(
        self, jobs: JobLedger, access: Access, controls: JobActions, replies: Replies
    ) -> None:
        self._jobs = jobs
        self._access = access
        self._controls = controls
        self._replies = replies

    async def press(self, press: JobButtonPress) -> None:
        """Take a press. Who is banned is not even told so."""
        if await self._access.is_banned(press.user_id):
            return
        job = await self._jobs.get(press.job_id) if press.action else None
        if job is None or press.action is None:
            await self._answer(press, "press-unknown")
        elif press.user_id == job.origin.owner_id or self._access.is_admin(press.user_id):
            await self._answer(press, await self._controls.apply(press.action, job))
        elif job.origin.is_private:
            await self._answer(press, "press-not-yours")
        else:
            await self._ask(press, press.action, job)

    async def _answer(self, press: JobButtonPress, name: str) -> None:
        await self._post(press, OutboxKind.PRESS, {"name": name})

    async def _ask(self, press: JobButtonPress, action: JobAction, job: Job) -> None:
        payload = {"do": RequestKind.PRESS.value, "action": action.value, "job_id": job.id}
        await self._post(press, OutboxKind.REQUEST, payload)

    async def _post(
        self, press: JobButtonPress, kind: OutboxKind, payload: dict[str, str | int]
    ) -> None:
        await self._replies.post(
            OutboxMessage(
                kind=kind,
                priority=Priority.PRESS,
                chat_id=press.chat_id,
                language=press.language,
                dedupe=f"press:{press.query_id}",
                owner_id=press.user_id,
                payload={"query_id": press.query_id, **payload},
            )
        )
