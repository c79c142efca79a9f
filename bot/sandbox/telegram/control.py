"""Control verbs of the Telegram stand-in: act as people, read what chats show.

Each verb wraps one method of `TelegramStandIn` or of a chat; `RemoteTelegram` is the client.
"""

import re
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bot.sandbox.control import Body, Control, Verb, assign
from bot.sandbox.faults import FaultScript
from bot.sandbox.shaping import Bandwidth
from bot.sandbox.telegram.chats import REAL_SIZE, Chat
from bot.sandbox.telegram.files import new_media_group_id
from bot.sandbox.telegram.fixtures import Fixtures
from bot.sandbox.telegram.flood import FloodMode
from bot.sandbox.telegram.overview import chats_of, commands_for, people_of
from bot.sandbox.telegram.page.uploads import Uploads
from bot.sandbox.telegram.users import User
from bot.sandbox.telegram.views import VisibleMessage, event_to_json, visible_to_json


class TelegramControl(Control):
    """The shared verbs and those of Telegram. `info` returns the addresses of the server;
    `uploads` are the files from the chat page.
    """

    def __init__(
        self,
        fixtures: Fixtures,
        faults: FaultScript,
        bandwidth: Bandwidth,
        info: Callable[[], dict[str, object]],
        uploads: Uploads,
    ) -> None:
        world = fixtures.world
        super().__init__(world.clock, world.log, faults, bandwidth)
        self._fixtures = fixtures
        self._world = world
        self._addresses = info
        self._uploads = uploads

    def verbs(self) -> dict[str, Verb]:
        """Return the verbs by name."""
        return {
            "info": self._info,
            "people": self._people,
            "chats": self._chats,
            "commands": self._commands,
            "language": self._language,
            "add_user": self._add_user,
            "add_group": self._add_group,
            "send_text": self._send_text,
            "send_file": self._send_file,
            "send_album": self._send_album,
            "edit_text": self._edit_text,
            "delete": self._delete,
            "press": self._press,
            "query": self._query,
            "messages": self._messages,
            "history": self._history,
            "wait": self._wait,
            "flood": self._flood,
            "clock": self._advance_clock,
            **super().verbs(),
        }

    def envelope(self, result: Any) -> Any:
        """Return the JSON of an answer."""
        return {"result": result}

    def _user(self, arguments: Body) -> User:
        return self._world.users[int(arguments["user_id"])]

    def _chat(self, arguments: Body) -> Chat:
        chat_id = int(arguments["chat_id"])
        if chat_id in self._world.chats:
            return self._fixtures.chat(chat_id)
        return self._fixtures.private_chat(self._world.users[chat_id])

    async def _info(self, _: Body) -> Any:
        return self._addresses()

    async def _people(self, _: Body) -> Any:
        return people_of(self._world)

    async def _chats(self, _: Body) -> Any:
        return chats_of(self._world)

    async def _commands(self, arguments: Body) -> Any:
        """Return what the app of a person completes in a chat."""
        return commands_for(self._world, self._chat(arguments).state, self._user(arguments))

    async def _language(self, arguments: Body) -> Any:
        """Change the language of a person's app."""
        user = replace(self._user(arguments), language_code=arguments["language_code"])
        return asdict(self._world.add_user(user))

    async def _add_user(self, arguments: Body) -> Any:
        return asdict(self._fixtures.add_user(**arguments))

    async def _add_group(self, arguments: Body) -> Any:
        options = dict(arguments)
        members = [self._world.users[int(user_id)] for user_id in options.pop("member_ids")]
        return self._fixtures.add_group(str(options.pop("title")), *members, **options).id

    async def _send_text(self, arguments: Body) -> Any:
        message = await self._chat(arguments).send_text(
            self._user(arguments), str(arguments["text"]), **_picked(arguments, _WHERE)
        )
        return message.id

    async def _send_file(self, arguments: Body) -> Any:
        """Send a file: `path` on this machine, or `upload`, the id of one that a page uploaded."""
        options = {
            "announced_size": REAL_SIZE,
            **self._content(arguments),
            **_picked(arguments, _WHERE | _FILE),
        }
        message = await self._chat(arguments).send_file(self._user(arguments), **options)
        return message.id

    async def _send_album(self, arguments: Body) -> Any:
        """Send `items`, each as `send_file` takes it, as one album; return the message ids. The
        caption is the first one's.
        """
        album = {"media_group_id": new_media_group_id()}
        rest = {name: value for name, value in arguments.items() if name not in _FIRST_ONLY}
        sent = []
        for number, item in enumerate(arguments["items"]):
            first = {} if number else _picked(arguments, _FIRST_ONLY)
            sent.append(await self._send_file({**rest, **first, **item, **album}))
        return sent

    def _content(self, arguments: Body) -> dict[str, Any]:
        if "upload" not in arguments:
            return {"content": Path(arguments["path"])}
        upload = self._uploads.find(str(arguments["upload"]))
        return {"content": upload.path, "name": upload.name, "mime": upload.mime}

    async def _edit_text(self, arguments: Body) -> Any:
        chat = self._chat(arguments)
        await chat.edit_text(int(arguments["message_id"]), str(arguments["text"]))

    async def _delete(self, arguments: Body) -> Any:
        await self._chat(arguments).delete(int(arguments["message_id"]))

    async def _press(self, arguments: Body) -> Any:
        query = await self._chat(arguments).press(
            self._user(arguments), int(arguments["message_id"]), str(arguments["button"])
        )
        return query.id

    async def _query(self, arguments: Body) -> Any:
        """Wait for the bot's answer to a press."""
        query = self._world.queries[str(arguments["query_id"])]
        timeout = float(arguments.get("timeout", 20))
        await self.log.wait_for(lambda: query.answer is not None, timeout=timeout)
        return asdict(query.answer) if query.answer else None

    async def _messages(self, arguments: Body) -> Any:
        return [visible_to_json(shown) for shown in self._chat(arguments).messages]

    async def _history(self, arguments: Body) -> Any:
        return [event_to_json(event) for event in self._chat(arguments).history]

    async def _wait(self, arguments: Body) -> Any:
        """Wait until `count` messages of the bot match `pattern` (in their HTML)."""
        chat, pattern = self._chat(arguments), re.compile(str(arguments.get("pattern", "")))
        count, after = int(arguments.get("count", 1)), int(arguments.get("after", 0))

        def found() -> list[VisibleMessage]:
            return [m for m in chat.bot_messages if m.id > after and pattern.search(m.html)]

        timeout = float(arguments.get("timeout", 20))
        await self.log.wait_for(lambda: len(found()) >= count, timeout=timeout)
        return [visible_to_json(shown) for shown in found()]

    async def _flood(self, arguments: Body) -> Any:
        if "mode" in arguments:
            arguments = {**arguments, "mode": FloodMode(arguments["mode"])}
        assign(self._world.flood, arguments)
        if arguments:
            self._world.flood.reset()
        return {"mode": self._world.flood.mode.value, "hits": self._world.flood.hits}


_WHERE = frozenset({"reply_to", "thread_id"})
_FIRST_ONLY = frozenset({"caption"})
_FILE = frozenset({"kind", "name", "mime", "caption", "announced_size", "media_group_id"})


def _picked(arguments: Body, names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name in names}
