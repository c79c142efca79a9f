"""Chat migration: resolves the id of a group that became a supergroup. Nothing else does so."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TypeVar

import structlog

from bot.core.errors import ChatGone, ChatMoved, MessageGone
from bot.core.ports.chat import GroupVisibility, Members, Messenger, Place, Reaction
from bot.core.ports.ledger import ChatLedger, ChatRules
from bot.core.ports.views import Answer, Notice, View

log = structlog.stdlib.get_logger(__name__)

T = TypeVar("T")


class ChatMigrations:
    """The groups that became supergroups. Call `follow` once before the other methods.

    Every use of a stored chat id resolves it here: calls (`MigratingMessenger`,
    `MigratingMembers`), rate limits (`current`) and the rules of the chat (`rules`).
    """

    def __init__(self, chats: ChatLedger) -> None:
        self._chats = chats
        self._migrations: dict[int, int] = {}

    async def follow(self) -> None:
        """Read the migrations before this start."""
        self._migrations = await self._chats.migrations()

    async def learn(self, chat_id: int, moved_to: int) -> None:
        """Record that a group became a supergroup."""
        if self._migrations.get(chat_id) != moved_to:
            log.info("group moved", chat=chat_id, to=moved_to)
            await self._chats.migrate(chat_id, moved_to)
            self._migrations[chat_id] = moved_to

    def current(self, chat_id: int) -> int:
        """Return the present id of a chat."""
        if chat_id not in self._migrations:
            return chat_id
        seen = set()
        while chat_id in self._migrations and chat_id not in seen:
            seen.add(chat_id)
            chat_id = self._migrations[chat_id]
        return chat_id

    def moved_to(self, chat_id: int) -> int | None:
        """Return the present id of a group that has become a supergroup, otherwise `None`."""
        present = self.current(chat_id)
        return None if present == chat_id else present

    async def rules(self, chat_id: int) -> ChatRules:
        """Return the present rules of a chat: after a migration those of the supergroup."""
        return await self._chats.chat(self.current(chat_id))


class MigratingMessenger:
    """A `Messenger` that sends to the present id of a group. Jobs and answers keep the chat they
    came from.

    `gone` is called with every chat that cannot be reached any more, by the id that the caller
    used.
    """

    def __init__(
        self,
        messenger: Messenger,
        migrations: ChatMigrations,
        gone: Callable[[int], Awaitable[None]],
    ) -> None:
        self._messenger = messenger
        self._migrations = migrations
        self._gone = gone

    async def send(
        self,
        place: Place,
        view: View,
        *,
        language: str,
        silent: bool = False,
        plain: bool = False,
    ) -> int:
        """Send a message to the present id of its chat."""
        there = self._place(place, self._migrations.current(place.chat_id))
        send = partial(
            self._messenger.send, view=view, language=language, silent=silent, plain=plain
        )
        try:
            return await send(there)
        except ChatMoved as error:
            # Nothing was sent, and the answer has the new id: repeat the call there.
            await self._migrations.learn(there.chat_id, error.chat_id)
            return await send(self._place(place, error.chat_id))
        except ChatGone:
            await self._gone(place.chat_id)
            raise

    def _place(self, place: Place, chat_id: int) -> Place:
        if chat_id == place.chat_id:
            return place
        # Messages have other ids in the supergroup, and its topics are new.
        return Place(chat_id)

    async def edit(
        self, chat_id: int, message_id: int, view: View, *, language: str, plain: bool = False
    ) -> None:
        """Edit a message; one of a group that has migrated is gone."""
        with self._nothing_goes_along(chat_id, message_id):
            try:
                await self._messenger.edit(
                    chat_id, message_id, view, language=language, plain=plain
                )
            except ChatGone:
                await self._gone(chat_id)
                raise

    async def delete(self, chat_id: int, message_id: int) -> None:
        """Delete a message; one of a group that has migrated is gone."""
        with suppress(MessageGone), self._nothing_goes_along(chat_id, message_id):
            await self._messenger.delete(chat_id, message_id)

    @contextmanager
    def _nothing_goes_along(self, chat_id: int, message_id: int) -> Iterator[None]:
        # The same id names another message in the supergroup, which must not be touched.
        gone = MessageGone(f"message {message_id} stayed behind in the group that moved")
        if self._migrations.current(chat_id) != chat_id:
            raise gone
        try:
            yield
        except ChatMoved as error:
            raise gone from error

    async def answer_press(self, query_id: str, notice: Notice | None, *, language: str) -> None:
        """Answer a callback query."""
        await self._messenger.answer_press(query_id, notice, language=language)

    async def react(self, chat_id: int, message_id: int, reaction: Reaction) -> None:
        """React to a message; one of a group that has migrated stays in the old group."""
        with self._nothing_goes_along(chat_id, message_id):
            await self._messenger.react(chat_id, message_id, reaction)

    async def probe(self) -> None:
        """Ask the service for something that changes nothing."""
        await self._messenger.probe()

    def fit(
        self, answer: Answer, *, language: str, together: bool = False, plain: bool = False
    ) -> int:
        """Return how many leading items one message can hold."""
        return self._messenger.fit(answer, language=language, together=together, plain=plain)


class MigratingMembers:
    """`Members` that use the present id of a group."""

    def __init__(self, members: Members, migrations: ChatMigrations) -> None:
        self._members = members
        self._migrations = migrations

    async def is_admin(self, chat_id: int, user_id: int) -> bool:
        """Return whether a user is an administrator of a group, by its present id."""
        return await self._there(chat_id, lambda there: self._members.is_admin(there, user_id))

    async def sight(self, chat_id: int) -> GroupVisibility:
        """Return the bot's membership in a group, by its present id."""
        return await self._there(chat_id, self._members.sight)

    async def leave(self, chat_id: int) -> None:
        """Leave a group, by its present id."""
        await self._there(chat_id, self._members.leave)

    async def _there(self, chat_id: int, ask: Callable[[int], Awaitable[T]]) -> T:
        there = self._migrations.current(chat_id)
        try:
            return await ask(there)
        except ChatMoved as error:
            await self._migrations.learn(there, error.chat_id)
            return await ask(error.chat_id)
