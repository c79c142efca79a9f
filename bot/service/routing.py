"""Groups move: what is to be said in one that became a supergroup is said in its successor."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime

import structlog

from bot.core.errors import ChatMoved, MessageGone
from bot.core.ports.chat import AnswerItem, Messenger, Notice, Place, View
from bot.core.ports.people import People

log = structlog.stdlib.get_logger(__name__)


class RoutedMessenger:
    """A `Messenger` that follows groups. Jobs and answers keep the chat they came from; only what
    is sent goes on.

    `follow` must have been called once before anything is sent.
    """

    def __init__(self, messenger: Messenger, people: People) -> None:
        self._messenger = messenger
        self._people = people
        self._moves: dict[int, int] = {}

    async def follow(self) -> None:
        """Read where groups have gone before this start."""
        self._moves = await self._people.moves()

    async def moved(self, chat_id: int, moved_to: int) -> None:
        """Learn that a group became a supergroup."""
        if self._moves.get(chat_id) != moved_to:
            log.info("group moved", chat=chat_id, to=moved_to)
            await self._people.move_chat(chat_id, moved_to)
            self._moves[chat_id] = moved_to

    def current(self, chat_id: int) -> int:
        """Return the id under which a chat is reached now."""
        seen = set()
        while chat_id in self._moves and chat_id not in seen:
            seen.add(chat_id)
            chat_id = self._moves[chat_id]
        return chat_id

    async def send(self, place: Place, view: View, *, language: str, silent: bool = False) -> int:
        """Place a message where its chat is now."""
        place = self._place(place, self.current(place.chat_id))
        try:
            return await self._messenger.send(place, view, language=language, silent=silent)
        except ChatMoved as error:
            # Nothing was placed, and the answer names the new place: once more, there.
            await self.moved(place.chat_id, error.chat_id)
            place = self._place(place, error.chat_id)
            return await self._messenger.send(place, view, language=language, silent=silent)

    def _place(self, place: Place, chat_id: int) -> Place:
        if chat_id == place.chat_id:
            return place
        # Messages have other ids in the supergroup, and topics begin anew there.
        return Place(chat_id)

    async def edit(self, chat_id: int, message_id: int, view: View, *, language: str) -> None:
        """Change a message; one of a group that has moved is gone."""
        with self._nothing_goes_along(chat_id, message_id):
            await self._messenger.edit(chat_id, message_id, view, language=language)

    async def delete(self, chat_id: int, message_id: int) -> None:
        """Remove a message; one of a group that has moved is gone."""
        with suppress(MessageGone), self._nothing_goes_along(chat_id, message_id):
            await self._messenger.delete(chat_id, message_id)

    @contextmanager
    def _nothing_goes_along(self, chat_id: int, message_id: int) -> Iterator[None]:
        # The same id names another message in the supergroup, which must not be touched.
        gone = MessageGone(f"message {message_id} stayed behind in the group that moved")
        if self.current(chat_id) != chat_id:
            raise gone
        try:
            yield
        except ChatMoved as error:
            raise gone from error

    async def answer_press(self, query_id: str, notice: Notice, *, language: str) -> None:
        """Answer the press of a button."""
        await self._messenger.answer_press(query_id, notice, language=language)

    def fit(
        self,
        items: Sequence[AnswerItem],
        now: datetime,
        *,
        language: str,
        together: bool = False,
    ) -> int:
        """Return how many leading items one message can hold."""
        return self._messenger.fit(items, now, language=language, together=together)
