"""Client of the control verbs of a Telegram stand-in in another process."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bot.sandbox.remote import ControlRefused, RemoteStandIn
from bot.sandbox.telegram.chats import REAL_SIZE
from bot.sandbox.telegram.flood import FloodMode
from bot.sandbox.telegram.model import CallbackAnswer
from bot.sandbox.telegram.users import User
from bot.sandbox.telegram.views import (
    ChatEvent,
    VisibleMessage,
    event_from_json,
    visible_from_json,
)

__all__ = ["ControlRefused", "RemoteChat", "RemoteTelegram"]


class RemoteTelegram(RemoteStandIn):
    """The verbs of `TelegramStandIn`, called over HTTP at its `control_url`."""

    def result(self, body: Any) -> Any:
        """Return the result in the JSON of an answer."""
        return body["result"]

    async def info(self) -> dict[str, Any]:
        """Return `token`, `bot_id`, `username`, `base_url` and `file_url`."""
        info: dict[str, Any] = await self.ask("info")
        return info

    async def add_user(self, first_name: str, **details: Any) -> User:
        """Add a person."""
        return User(**await self.ask("add_user", first_name=first_name, **details))

    def private_chat(self, user: User) -> "RemoteChat":
        """Return the chat of a person with the bot."""
        return RemoteChat(self, user.id)

    async def add_group(self, title: str, *members: User, **options: Any) -> "RemoteChat":
        """Return a new group; the options are those of `TelegramStandIn.add_group`."""
        ids = [member.id for member in members]
        return RemoteChat(
            self, await self.ask("add_group", title=title, member_ids=ids, **options)
        )

    async def flood_hits(self) -> int:
        """Return how many calls were over a limit."""
        return int((await self.ask("flood"))["hits"])

    async def set_flood(self, mode: FloodMode) -> None:
        """Choose what happens beyond the limits, and reset the count."""
        await self.ask("flood", mode=mode.value)

    async def now(self) -> datetime:
        """Return the clock's time."""
        return datetime.fromisoformat(await self.ask("clock"))

    async def advance(self, by: timedelta) -> datetime:
        """Move the clock and return its time."""
        return datetime.fromisoformat(await self.ask("clock", advance=by.total_seconds()))

    async def answer_to(self, query_id: str, *, timeout: float = 20.0) -> CallbackAnswer:
        """Wait for the bot's answer to a press.

        Raises:
            TimeoutError: there was none in time (real seconds).
        """
        return CallbackAnswer(**await self.ask("query", query_id=query_id, timeout=timeout))


class RemoteChat:
    """What people can do in a chat, from another process."""

    def __init__(self, remote: RemoteTelegram, chat_id: int) -> None:
        self._remote = remote
        self.id = chat_id

    async def send_text(self, sender: User, text: str, **where: Any) -> int:
        """Write a text; returns the message id."""
        return int(await self._ask("send_text", user_id=sender.id, text=text, **where))

    async def send_file(
        self,
        sender: User,
        *,
        content: Path,
        announced_size: int | None = REAL_SIZE,
        **options: Any,
    ) -> int:
        """Send a file that the stand-in can open at the same path; returns the message id."""
        size = {"announced_size": announced_size}
        path = str(content)
        return int(await self._ask("send_file", user_id=sender.id, path=path, **size, **options))

    async def edit_text(self, message_id: int, text: str) -> None:
        """Change the text of a person's message."""
        await self._ask("edit_text", message_id=message_id, text=text)

    async def delete(self, message_id: int) -> None:
        """Delete a message as a person."""
        await self._ask("delete", message_id=message_id)

    async def press(self, sender: User, message_id: int, button: str) -> str:
        """Press a button; returns the id of the query."""
        arguments = {"user_id": sender.id, "message_id": message_id, "button": button}
        return str(await self._ask("press", **arguments))

    async def messages(self) -> list[VisibleMessage]:
        """Return what a person sees now, oldest first."""
        return [visible_from_json(fields) for fields in await self._ask("messages")]

    async def history(self) -> list[ChatEvent]:
        """Return everything that happened here, in order."""
        return [event_from_json(fields) for fields in await self._ask("history")]

    async def wait_for(
        self, pattern: str, *, count: int = 1, after: int = 0, timeout: float = 20.0
    ) -> list[VisibleMessage]:
        """Wait until so many messages of the bot match a pattern (in their HTML); return them.

        Only messages with an id above `after` count.

        Raises:
            TimeoutError: there were not enough in time (real seconds).
        """
        limits = {"count": count, "after": after, "timeout": timeout}
        found = await self._ask("wait", pattern=pattern, **limits)
        return [visible_from_json(fields) for fields in found]

    async def _ask(self, verb: str, **arguments: Any) -> Any:
        return await self._remote.ask(verb, chat_id=self.id, **arguments)
