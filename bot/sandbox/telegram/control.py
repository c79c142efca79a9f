"""The control side over HTTP: other processes act as people and read what chats show.

`POST /control/<verb>` with a JSON object; answers are JSON. Thin wrappers of what a
`TelegramStandIn` offers in its own process; `RemoteTelegram` is the client for them.
"""

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict, fields
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from bot.sandbox.faults import Effect, Fault
from bot.sandbox.telegram.chats import REAL_SIZE, Chat
from bot.sandbox.telegram.flood import FloodMode
from bot.sandbox.telegram.shown import Shown
from bot.sandbox.telegram.users import User
from bot.sandbox.telegram.wire import event_to_json, shown_to_json

if TYPE_CHECKING:
    from bot.sandbox.telegram.stand_in import TelegramStandIn

Arguments = dict[str, Any]
Verb = Callable[[Arguments], Awaitable[Any]]


class Control:
    """The verbs. Wrong arguments are a 400 with one sentence, a wait in vain is a 408."""

    def __init__(self, stand_in: "TelegramStandIn") -> None:
        self._tg = stand_in
        self._verbs: dict[str, Verb] = {
            "info": self._info,
            "add_user": self._add_user,
            "add_group": self._add_group,
            "send_text": self._send_text,
            "send_file": self._send_file,
            "edit_text": self._edit_text,
            "delete": self._delete,
            "press": self._press,
            "query": self._query,
            "messages": self._messages,
            "history": self._history,
            "wait": self._wait,
            "log": self._log,
            "faults": self._faults,
            "shape": self._shape,
            "flood": self._flood,
            "clock": self._clock,
        }

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request."""
        verb = self._verbs.get(request.match_info["verb"])
        if verb is None:
            return _refusal(404, f"verbs are {', '.join(self._verbs)}")
        try:
            arguments = await request.json() if request.can_read_body else {}
            return web.json_response({"result": await verb(arguments)})
        except TimeoutError:
            return _refusal(408, "what was waited for did not happen in time")
        except KeyError as error:
            return _refusal(400, f"missing or unknown: {error}")
        except (LookupError, TypeError, ValueError, OSError, json.JSONDecodeError) as error:
            return _refusal(400, str(error))

    def _user(self, arguments: Arguments) -> User:
        return self._tg.world.users[int(arguments["user_id"])]

    def _chat(self, arguments: Arguments) -> Chat:
        chat_id = int(arguments["chat_id"])
        if chat_id in self._tg.world.chats:
            return self._tg.world.chats[chat_id]
        return self._tg.private_chat(self._tg.world.users[chat_id])

    async def _info(self, arguments: Arguments) -> Any:  # noqa: ARG002 (verbs share a shape.)
        names = ("token", "bot_id", "username", "base_url", "file_url")
        return {name: getattr(self._tg, name) for name in names}

    async def _add_user(self, arguments: Arguments) -> Any:
        return asdict(self._tg.add_user(**arguments))

    async def _add_group(self, arguments: Arguments) -> Any:
        members = [self._tg.world.users[int(user_id)] for user_id in arguments.pop("member_ids")]
        return self._tg.add_group(str(arguments.pop("title")), *members, **arguments).id

    async def _send_text(self, arguments: Arguments) -> Any:
        message = await self._chat(arguments).send_text(
            self._user(arguments), str(arguments["text"]), **_picked(arguments, _WHERE)
        )
        return message.id

    async def _send_file(self, arguments: Arguments) -> Any:
        content = Path(arguments["path"])
        options = _picked(arguments, _WHERE | _FILE)
        message = await self._chat(arguments).send_file(
            self._user(arguments), content=content, **{"announced_size": REAL_SIZE, **options}
        )
        return message.id

    async def _edit_text(self, arguments: Arguments) -> Any:
        chat = self._chat(arguments)
        await chat.edit_text(int(arguments["message_id"]), str(arguments["text"]))

    async def _delete(self, arguments: Arguments) -> Any:
        await self._chat(arguments).delete(int(arguments["message_id"]))

    async def _press(self, arguments: Arguments) -> Any:
        query = await self._chat(arguments).press(
            self._user(arguments), int(arguments["message_id"]), str(arguments["button"])
        )
        return query.id

    async def _query(self, arguments: Arguments) -> Any:
        """Wait for the bot's answer to a press."""
        query = self._tg.world.queries[str(arguments["query_id"])]
        timeout = float(arguments.get("timeout", 20))
        await self._tg.wait_for(lambda: query.answer is not None, timeout=timeout)
        return asdict(query.answer) if query.answer else None

    async def _messages(self, arguments: Arguments) -> Any:
        return [shown_to_json(shown) for shown in self._chat(arguments).messages]

    async def _history(self, arguments: Arguments) -> Any:
        return [event_to_json(event) for event in self._chat(arguments).history]

    async def _wait(self, arguments: Arguments) -> Any:
        """Wait until `count` messages of the bot match `pattern` (in their HTML)."""
        chat, pattern = self._chat(arguments), re.compile(str(arguments.get("pattern", "")))
        count, after = int(arguments.get("count", 1)), int(arguments.get("after", 0))

        def found() -> list[Shown]:
            return [m for m in chat.bot_messages if m.id > after and pattern.search(m.html)]

        timeout = float(arguments.get("timeout", 20))
        await self._tg.wait_for(lambda: len(found()) >= count, timeout=timeout)
        return [shown_to_json(shown) for shown in found()]

    async def _log(self, arguments: Arguments) -> Any:
        entries = list(self._tg.log)[int(arguments.get("since", 0)) :]
        wanted = arguments.get("operation")
        return [
            {**asdict(entry), "at": entry.at.isoformat()}
            for entry in entries
            if wanted in {None, entry.operation}
        ]

    async def _faults(self, arguments: Arguments) -> Any:
        """Add one line of the script, or with `clear` forget all."""
        if arguments.get("clear"):
            self._tg.faults.clear()
            return None
        effect = Effect(arguments["effect"])
        self._tg.faults.add(Fault(**{**arguments, "effect": effect}))
        return None

    async def _shape(self, arguments: Arguments) -> Any:
        _assign(self._tg.shape, arguments)
        return asdict(self._tg.shape)

    async def _flood(self, arguments: Arguments) -> Any:
        if "mode" in arguments:
            arguments = {**arguments, "mode": FloodMode(arguments["mode"])}
        _assign(self._tg.flood, arguments)
        if arguments:
            self._tg.flood.reset()
        return {"mode": self._tg.flood.mode.value, "hits": self._tg.flood.hits}

    async def _clock(self, arguments: Arguments) -> Any:
        """Move the clock by `advance` seconds, if given, and tell the time."""
        self._tg.clock.advance(timedelta(seconds=float(arguments.get("advance", 0))))
        await self._tg.world.touch()
        return self._tg.clock.now().isoformat()


_WHERE = frozenset({"reply_to", "thread_id"})
_FILE = frozenset({"kind", "name", "mime", "caption", "announced_size", "media_group_id"})


def _picked(arguments: Arguments, names: frozenset[str]) -> Arguments:
    return {name: value for name, value in arguments.items() if name in names}


def _assign(settings: Any, arguments: Arguments) -> None:
    known = {field.name for field in fields(settings)}
    for name, value in arguments.items():
        if name not in known:
            raise ValueError(f"no setting {name!r}; there are {', '.join(sorted(known))}")
        setattr(settings, name, value)


def _refusal(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)
