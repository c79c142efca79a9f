"""Presses of buttons that belong to a message and not to a job."""

from dataclasses import dataclass

from bot.core.ports.ledger import EDITS, OutboxKind, OutboxMessage, Priority
from bot.inbound.replies import Replies


@dataclass(frozen=True, slots=True)
class ButtonPress:
    """The press of a button below the message `message_id` of the bot."""

    query_id: str
    user_id: int
    chat_id: int
    message_id: int
    language: str


class ButtonReplies:
    """Answers presses, and changes the messages that they belong to."""

    def __init__(self, replies: Replies) -> None:
        self._replies = replies

    async def answer(self, query: ButtonPress, name: str | None = None) -> None:
        """Answer the press with a sentence, or without a word."""
        payload: dict[str, str | int] = {"query_id": query.query_id}
        if name is not None:
            payload["name"] = name
        await self._post(query, OutboxKind.PRESS, Priority.PRESS, payload)

    async def change(
        self, query: ButtonPress, kind: OutboxKind, payload: dict[str, str | int]
    ) -> None:
        """Let the message say something else."""
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
