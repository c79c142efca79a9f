"""User actions on existing jobs, cancel and delete, and the buttons that ask for them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import structlog

from bot.core.jobs import Job, StopReason
from bot.core.ports import Clock
from bot.core.ports.jobs import JobLedger
from bot.core.ports.ledger import EDITS, ChatLedger, Ledger, OutboxKind, OutboxMessage, Priority
from bot.core.ports.views import Listing
from bot.inbound.access import Access, Replies, RequestKind
from bot.jobs.queue import JobQueue
from bot.jobs.runner import JobLifecycle

log = structlog.stdlib.get_logger(__name__)

TOO_LATE: Final = "press-too-late"
"""The sentence that says that nothing is left to do."""


class JobAction(StrEnum):
    """Actions of buttons. The values are stored in the ledger: never rename."""

    CANCEL = "cancel"
    DELETE = "delete"
    CANCEL_ALL = "cancelall"
    """Cancel every job of the album to which this one belongs."""


class JobActions:
    """Performs actions and returns the name of the sentence about the result. Access is checked by
    the caller.

    Every method may be repeated.
    """

    def __init__(
        self, ledger: Ledger, queue: JobQueue, clock: Clock, lifecycle: JobLifecycle
    ) -> None:
        self._ledger = ledger
        self._queue = queue
        self._clock = clock
        self._lifecycle = lifecycle

    async def apply(self, action: JobAction, job: Job) -> str:
        """Perform the action of a button."""
        match action:
            case JobAction.CANCEL:
                return await self.cancel(job)
            case JobAction.DELETE:
                return await self.delete(job)
            case JobAction.CANCEL_ALL:
                return await self.cancel_album(job)

    async def cancel(self, job: Job) -> str:
        """Cancel a job: "cancelling", or "press-too-late" if it has ended."""
        if job.state.is_final:
            return TOO_LATE
        await self._ledger.jobs.request_cancel(job.id)
        if self._queue.stop_job(job.id, StopReason.USER):
            return "cancelling"
        self._queue.withdraw(job.id)
        # The job may have run and been put back since it was read: only its present state counts.
        return "cancelling" if await self._lifecycle.cancel_waiting(job.id) else TOO_LATE

    async def cancel_album(self, job: Job) -> str:
        """Cancel the unfinished jobs of a job's album: "cancelling", or "press-too-late" if all
        have ended.
        """
        here = await self._ledger.jobs.unfinished_in([job.origin.chat_id])
        album = job.origin.album
        left = [j for j in here if j.id == job.id or (album and j.origin.album == album)]
        outcomes = {await self.cancel(one) for one in reversed(left)}
        return "cancelling" if "cancelling" in outcomes else TOO_LATE

    async def delete(self, job: Job) -> str:
        """End the link of a job and delete its file: "deleted", or "press-too-late"."""
        if not await self._ledger.objects.revoke(job.id, self._clock.now()):
            return TOO_LATE
        self._lifecycle.signals.deletions.set()
        return "deleted"

    async def chat_gone(self, chat_id: int) -> None:
        """Cancel the unfinished jobs of a chat that cannot be reached any more."""
        previous_ids = await self._ledger.chats.previous_ids(chat_id)
        for job in await self._ledger.jobs.unfinished_in(previous_ids):
            log.info("cancelling, the chat is gone", job=job.id, chat=chat_id)
            await self.cancel(job)


@dataclass(frozen=True, slots=True)
class ButtonPress:
    """The press of a button below the message `message_id` of the bot."""

    query_id: str
    user_id: int
    chat_id: int
    message_id: int
    language: str


class ButtonReplies:
    """Answers button presses, and edits the messages of the buttons."""

    def __init__(self, replies: Replies) -> None:
        self._replies = replies

    async def hears(self, query: ButtonPress) -> bool:
        """Return whether the press is answered; see `Replies.hears`."""
        return await self._replies.hears(query.user_id, query.chat_id)

    async def answer(self, query: ButtonPress, name: str | None = None) -> None:
        """Answer the press with a sentence, or without text."""
        payload: dict[str, str | int] = {"query_id": query.query_id}
        if name is not None:
            payload["name"] = name
        await self._post(query, OutboxKind.PRESS, Priority.PRESS, payload)

    async def change(
        self, query: ButtonPress, kind: OutboxKind, payload: dict[str, str | int]
    ) -> None:
        """Edit the message of the button."""
        payload = {EDITS: query.message_id, **payload}
        await self._post(query, kind, Priority.REPLY, payload)

    async def _post(
        self,
        query: ButtonPress,
        kind: OutboxKind,
        priority: Priority,
        payload: dict[str, str | int],
    ) -> None:
        await self._replies.post(
            OutboxMessage(
                kind=kind,
                priority=priority,
                chat_id=query.chat_id,
                language=query.language,
                dedupe=f"{kind}:{query.query_id}",
                owner_id=query.user_id,
                payload=payload,
            )
        )


@dataclass(frozen=True, slots=True)
class JobButtonPress:
    """A button that was pressed. `action` is `None` where the button is not one of ours, or
    forged; `status_message_id` is that of its message, if that is a status message.
    """

    query_id: str
    user_id: int
    chat_id: int
    language: str
    action: JobAction | None
    job_id: int
    status_message_id: int | None = None


class JobButtons:
    """Performs the action of a button if the person may, and replies with the result.

    A job belongs to its requester. Bot admins may act on it too, as may admins of the group that
    it came from; only the chat service knows the latter.
    """

    def __init__(
        self, jobs: JobLedger, access: Access, actions: JobActions, replies: Replies
    ) -> None:
        self._jobs = jobs
        self._access = access
        self._actions = actions
        self._replies = replies

    async def press(self, press: JobButtonPress) -> None:
        """Handle a press. A banned person gets no reply."""
        if not await self._replies.hears(press.user_id, press.chat_id):
            return
        job = await self._jobs.get(press.job_id) if press.action else None
        if job is None or press.action is None:
            await self._answer(press, "press-unknown")
        elif press.user_id == job.origin.owner_id or self._access.is_admin(press.user_id):
            await self._apply(press, press.action, job)
        elif job.origin.is_private:
            await self._answer(press, "press-not-yours")
        else:
            await self._ask(press, press.action, job)

    async def _apply(self, press: JobButtonPress, action: JobAction, job: Job) -> None:
        name = await self._actions.apply(action, job)
        await self._answer(press, name)
        if name == TOO_LATE and press.status_message_id is not None:
            await self._remove(press, press.status_message_id)

    async def _remove(self, press: JobButtonPress, message_id: int) -> None:
        # It may be one whose call was cut off, so that the ledger does not have it.
        await self._replies.post(
            OutboxMessage(
                kind=OutboxKind.REQUEST,
                priority=Priority.REPLY,
                chat_id=press.chat_id,
                language=press.language,
                dedupe=f"remove:{press.chat_id}:{message_id}",
                payload={"do": RequestKind.REMOVE.value, "message": message_id},
            )
        )

    async def _answer(self, press: JobButtonPress, name: str) -> None:
        await self._post(press, OutboxKind.PRESS, {"name": name})

    async def _ask(self, press: JobButtonPress, action: JobAction, job: Job) -> None:
        payload: dict[str, str | int] = {
            "do": RequestKind.PRESS.value,
            "action": action.value,
            "job_id": job.id,
        }
        if press.status_message_id is not None:
            payload["message"] = press.status_message_id
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


class Pagination:
    """Shows another page of a list, or a refreshed one, in the message that shows it now.

    A list belongs to the person or group that asked for it.
    """

    def __init__(self, chats: ChatLedger, button_replies: ButtonReplies) -> None:
        self._chats = chats
        self._button_replies = button_replies

    async def turn(self, query: ButtonPress, listing: Listing, subject: int, page: int) -> None:
        """Handle the press of a page's button. A banned person gets no reply."""
        if not await self._button_replies.hears(query):
            return
        if not await self._is_for(subject, query):
            await self._button_replies.answer(query, "press-not-yours")
            return
        await self._button_replies.answer(query)
        payload: dict[str, str | int] = {
            "listing": listing.value,
            "subject": subject,
            "page": page,
        }
        await self._button_replies.change(query, OutboxKind.OVERVIEW, payload)

    async def _is_for(self, subject: int, query: ButtonPress) -> bool:
        if subject == query.user_id:
            return True
        return subject < 0 and subject in await self._chats.previous_ids(query.chat_id)
