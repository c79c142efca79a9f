"""Queries to Telegram outside of the relay: members of groups, and checks of token, webhook and
server.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

import aiohttp
from telegram import ChatMember, ChatMemberRestricted
from telegram.constants import ChatMemberStatus

from bot.adapters.telegram.messenger import METHOD_MISSING, chat_errors
from bot.adapters.telegram.request import (
    UNREADABLE,
    RelayBot,
    TokenRefused,
    UnreadableAnswer,
    open_session,
    without_address,
)
from bot.core.errors import ChatGone, ChatUnavailable
from bot.core.ports.chat import GroupVisibility

_CHIEFS: Final = frozenset({ChatMemberStatus.OWNER, ChatMemberStatus.ADMINISTRATOR})
_ABSENT: Final = frozenset({ChatMemberStatus.LEFT, ChatMemberStatus.BANNED})


class TelegramMembers:
    """Implements the `Members` port through `getChatMember`, `getMe` and `leaveChat`.

    Answers are not cached: rights change without an update, and queries are rare.
    """

    def __init__(self, bot: RelayBot) -> None:
        self._bot = bot

    async def is_admin(self, chat_id: int, user_id: int) -> bool:
        """Return whether a user is an administrator of a group. Raises the errors of the port."""
        with chat_errors():
            status, _ = await self._membership(chat_id, user_id)
        return status in _CHIEFS

    async def _membership(self, chat_id: int, user_id: int) -> tuple[str, bool]:
        """Return the status of a user, and whether the user is in the chat."""
        member: object = await self._bot.get_raw_chat_member(chat_id, user_id)
        status = member.get("status") if isinstance(member, dict) else None
        if not isinstance(member, dict) or not isinstance(status, str):
            raise UnreadableAnswer("getChatMember: no member")
        if status == ChatMemberStatus.RESTRICTED:
            return status, member.get("is_member") is True
        return status, status not in _ABSENT

    async def sight(self, chat_id: int) -> GroupVisibility:
        """Return the bot's membership in a group. Raises the errors of the port.

        The privacy mode is the present one; a group keeps the mode from when the bot was added
        (source: core.telegram.org/bots/features, "Privacy mode"), which no method returns.
        """
        try:
            with chat_errors():
                status, is_here = await self._membership(chat_id, self._bot.id)
                if not is_here:
                    return GroupVisibility(is_here=False)
                if status in _CHIEFS:
                    return GroupVisibility(is_here=True, sees_files=True)
                me = await self._bot.get_me()
        except ChatGone:
            return GroupVisibility(is_here=False)
        return GroupVisibility(is_here=True, sees_files=bool(me.can_read_all_group_messages))

    async def leave(self, chat_id: int) -> None:
        """Leave a group. Raises the errors of the port, never `ChatGone`."""
        try:
            with chat_errors():
                await self._bot.leave_chat(chat_id)
        except ChatGone:
            return


def is_present(member: ChatMember) -> bool:
    """Return whether the user is in the chat."""
    if isinstance(member, ChatMemberRestricted):
        return member.is_member
    return member.status not in _ABSENT


CALL_TIMEOUT: Final = 15.0
"""Seconds for one call, in addition to the wait that it asks for."""


@dataclass(frozen=True, slots=True)
class BotProfile:
    """The answer to `getMe`. `reads_groups` is true if privacy mode is off; `told_at` is the
    server's time, `None` if it sent none.
    """

    id: int
    username: str
    reads_groups: bool
    told_at: datetime | None


@dataclass(frozen=True, slots=True)
class MessageAuthor:
    """A person who wrote to the bot."""

    id: int
    name: str
    username: str


class BotInspection:
    """Asks the Bot API. Every method raises `TokenRefused` if the server does not know the token,
    and `ChatUnavailable` if there is no usable answer; neither names the token.
    """

    def __init__(self, session: aiohttp.ClientSession, base_url: str, token: str) -> None:
        self._session = session
        self._address = f"{base_url}/bot{token}"

    async def profile(self) -> BotProfile:
        """Return the bot's profile."""
        told, told_at = await self._call("getMe")
        with _usable("getMe"):
            return BotProfile(
                id=int(told["id"]),
                username=str(told.get("username", "")),
                reads_groups=bool(told.get("can_read_all_group_messages")),
                told_at=told_at,
            )

    async def webhook(self) -> str:
        """Return the URL of the webhook that is set, or ""."""
        told, _ = await self._call("getWebhookInfo")
        with _usable("getWebhookInfo"):
            return str(told.get("url", ""))

    async def wait_for_writers(self, seconds: int) -> list[MessageAuthor]:
        """Wait for private messages, and return their authors, each once, the latest first.

        Confirms nothing: a bot that runs afterwards gets the same messages.
        """
        told, _ = await self._call("getUpdates", timeout=seconds, allowed_updates=["message"])
        with _usable("getUpdates"):
            messages = [update["message"] for update in told if "message" in update]
            private = [
                m["from"] for m in messages if m["chat"]["type"] == "private" and "from" in m
            ]
            return list(dict.fromkeys(_writer(person) for person in reversed(private)))

    async def knows(self, method: str) -> bool:
        """Return whether the server has a method. It is called without parameters; name one that
        is refused then.
        """
        status, _, _ = await self._send(method)
        return status != HTTPStatus.NOT_FOUND

    async def _call(self, method: str, **arguments: Any) -> tuple[Any, datetime | None]:
        status, body, told_at = await self._send(method, **arguments)
        why = body.get("description", "") if isinstance(body, dict) else ""
        if status in {401, 404} and METHOD_MISSING not in str(why).lower():
            raise TokenRefused
        if not isinstance(body, dict) or not body.get("ok"):
            raise ChatUnavailable(f"{method}: HTTP {status} {why}".rstrip())
        return body.get("result"), told_at

    async def _send(self, method: str, **arguments: Any) -> tuple[int, Any, datetime | None]:
        """Return status, body and time of an answer."""
        timeout = aiohttp.ClientTimeout(total=CALL_TIMEOUT + float(arguments.get("timeout", 0)))
        # A form, as the library sends it; not every server takes JSON.
        form = {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in arguments.items()
        }
        try:
            async with self._session.post(
                f"{self._address}/{method}", data=form, timeout=timeout, allow_redirects=False
            ) as answer:
                told_at = _parse(answer.headers.get("Date"))
                return answer.status, await answer.json(content_type=None), told_at
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            kind = type(error).__name__
            raise ChatUnavailable(f"{method}: {kind}") from without_address(error)


@contextmanager
def _usable(method: str) -> Iterator[None]:
    try:
        yield
    except UNREADABLE as error:
        raise ChatUnavailable(f"{method}: the answer cannot be read") from error


def _writer(person: dict[str, Any]) -> MessageAuthor:
    names = (person.get("first_name", ""), person.get("last_name", ""))
    name = " ".join(part for part in names if part)
    return MessageAuthor(int(person["id"]), name, str(person.get("username", "")))


def _parse(date: str | None) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(date or "")
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


@asynccontextmanager
async def open_examination(
    token: str, *, base_url: str, proxy: str | None
) -> AsyncIterator[BotInspection]:
    """Open a session for a few calls.

    Raises:
        RuntimeError: the proxy is a SOCKS proxy, and the library for that is not installed.
    """
    async with open_session(proxy=proxy, connections=2) as session:
        yield BotInspection(session, base_url, token)
        # aiohttp closes TLS connections a moment after their session (aiohttp documentation,
        # "Graceful shutdown"); one turn of the loop is enough for plain ones.
        await asyncio.sleep(0)
