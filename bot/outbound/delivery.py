"""Where answers go: to where the file came from, or to the person who asked for it."""

from collections.abc import Sequence

from bot.core.jobs import Job
from bot.core.ports.clock import Clock
from bot.core.ports.ledger import Ledger, OutboxKind, OutboxMessage, Priority, StoredAnswer


class AnswerDelivery:
    """Knows the choice of each group, and tells a group that its answer went elsewhere."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._people = ledger.people
        self._outbox = ledger.outbox
        self._clock = clock

    async def chats_for(self, jobs: Sequence[Job]) -> dict[int, int]:
        """Return the chats in which jobs are answered, by job."""
        origins = {job.origin.chat_id for job in jobs if not job.origin.is_private}
        discreet = {chat_id for chat_id in origins if await self._is_discreet(chat_id)}
        return {job.id: _chat_for(job, discreet) for job in jobs}

    async def _is_discreet(self, chat_id: int) -> bool:
        rules = await self._people.chat(chat_id)
        if rules.moved_to is not None:
            # What is said of a group now is said of its successor.
            return await self._is_discreet(rules.moved_to)
        return rules.privately

    async def note(self, answer: StoredAnswer, jobs: Sequence[Job], *, arrived: bool) -> None:
        """Say in the group that the answer to its message is in private, or what keeps it from
        arriving there. Says nothing where the answer is in the group itself.
        """
        origin = jobs[0].origin
        if answer.chat_id == origin.chat_id:
            return
        await self._outbox.post(
            OutboxMessage(
                kind=OutboxKind.NOTICE,
                priority=Priority.ANSWER,
                chat_id=origin.chat_id,
                thread_id=origin.thread_id,
                reply_to=origin.message_id,
                language=answer.language,
                dedupe=f"delivered:{answer.id}",
                payload={"name": "delivered-privately" if arrived else "deliver-start-first"},
            ),
            self._clock.now(),
        )


def _chat_for(job: Job, discreet: set[int]) -> int:
    # Who writes as a group or a channel has no private chat.
    has_private_chat = job.origin.owner_id > 0
    is_elsewhere = has_private_chat and job.origin.chat_id in discreet
    return job.origin.owner_id if is_elsewhere else job.origin.chat_id
