"""A small Bot API server as people make one themselves, on real HTTP: it understands forms and
canonical method names only, does not hold polls open, sends no field that is optional, and has few
methods.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar, Self

from aiohttp import web

TOKEN = "4242:AAE-a_server_of_ones_own_0123456789abc"
FORM = "application/x-www-form-urlencoded"
PATIENCE = 30.0
"""Real seconds until a test says that something did not happen."""


@dataclass(frozen=True)
class Asked:
    """A call: when it came (seconds of the event loop), its method and its form."""

    at: float
    method: str
    form: dict[str, str]


class SelfMadeServer:
    """Serves one bot and one private chat on 127.0.0.1. `asked` has every call, `refused` those
    that were no form, `messages` text, buttons and reply of the messages that are there, by id.
    """

    def __init__(self, chat_id: int = 77) -> None:
        self.chat_id = chat_id
        self.asked: list[Asked] = []
        self.refused: list[str] = []
        self.messages: dict[int, dict[str, Any]] = {}
        self._updates: list[dict[str, Any]] = []
        self._files: dict[str, bytes] = {}
        self._changed = asyncio.Condition()
        self._last_id = 100

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post(f"/bot{TOKEN}/{{method}}", self._call)
        app.router.add_get(f"/file/bot{TOKEN}/{{path}}", self._download)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()

    async def send_document(self, content: bytes, name: str) -> int:
        """Let the person of the chat send a document; return the id of the message."""
        file_id = f"file-{len(self._files)}"
        self._files[file_id] = content
        document = {"file_id": file_id, "file_unique_id": f"u{file_id}", "file_name": name}
        message = self._message(self.chat_id) | {"document": document}
        self._updates.append({"update_id": 1 + len(self._updates), "message": message})
        return int(message["message_id"])

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds; it is checked after every call."""
        async with self._changed:
            await asyncio.wait_for(self._changed.wait_for(condition), PATIENCE)

    def of(self, method: str) -> list[Asked]:
        """Return the calls of a method."""
        return [asked for asked in self.asked if asked.method == method]

    def _message(self, sender: int) -> dict[str, Any]:
        self._last_id += 1
        return {
            "message_id": self._last_id,
            "from": {"id": sender, "is_bot": sender != self.chat_id, "first_name": "x"},
            "chat": {"id": self.chat_id, "type": "private"},
            "date": 1_780_000_000,
        }

    async def _call(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        now = asyncio.get_running_loop().time()
        if request.can_read_body and request.content_type != FORM:
            self.refused.append(f"{method}: {request.content_type}")
            return web.Response(status=415, text="a form, please")
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append(Asked(now, method, form))
        answer = self._answer(method, form)
        async with self._changed:
            self._changed.notify_all()
        status = 200 if answer["ok"] else answer["error_code"]
        return web.json_response(answer, status=status)

    def _answer(self, method: str, form: dict[str, str]) -> dict[str, Any]:
        known = self._methods.get(method)
        if known is None:
            return _refusal(404, "Not Found: method not found")
        return known(self, form)

    async def _download(self, request: web.Request) -> web.Response:
        content = self._files.get(request.match_info["path"])
        return web.Response(status=404) if content is None else web.Response(body=content)

    def _get_me(self, _: dict[str, str]) -> dict[str, Any]:
        return _ok({"id": 4242, "is_bot": True, "first_name": "b", "username": "own_bot"})

    def _get_updates(self, form: dict[str, str]) -> dict[str, Any]:
        offset = int(form.get("offset", 0))
        return _ok([update for update in self._updates if update["update_id"] >= offset])

    def _get_file(self, form: dict[str, str]) -> dict[str, Any]:
        file_id = form["file_id"]
        return _ok({"file_id": file_id, "file_unique_id": f"u{file_id}", "file_path": file_id})

    def _send(self, form: dict[str, str]) -> dict[str, Any]:
        message = self._message(4242) | {"text": form["text"]}
        buttons = json.loads(form.get("reply_markup", "{}"))
        reply = json.loads(form.get("reply_parameters", "{}"))
        shown = {"text": form["text"], "buttons": buttons, "reply_to": reply.get("message_id")}
        self.messages[message["message_id"]] = shown
        return _ok(message)

    def _edit(self, form: dict[str, str]) -> dict[str, Any]:
        message_id = int(form["message_id"])
        if message_id not in self.messages:
            return _refusal(400, "Bad Request: message to edit not found")
        self.messages[message_id]["text"] = form["text"]
        return _ok(self._message(4242) | {"message_id": message_id, "text": form["text"]})

    def _delete(self, form: dict[str, str]) -> dict[str, Any]:
        return _ok(bool(self.messages.pop(int(form["message_id"]), None)))

    def _done(self, _: dict[str, str]) -> dict[str, Any]:
        return _ok(True)  # noqa: FBT003 -- the result is the Boolean true.

    _methods: ClassVar[dict[str, Callable[["SelfMadeServer", dict[str, str]], dict[str, Any]]]] = {
        "getMe": _get_me,
        "deleteWebhook": _done,
        "getUpdates": _get_updates,
        "getFile": _get_file,
        "sendMessage": _send,
        "editMessageText": _edit,
        "deleteMessage": _delete,
        "answerCallbackQuery": _done,
    }


def _ok(result: object) -> dict[str, Any]:
    return {"ok": True, "result": result}


def _refusal(code: int, description: str) -> dict[str, Any]:
    return {"ok": False, "error_code": code, "description": description}
