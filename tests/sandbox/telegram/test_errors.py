"""The texts of refusals, each as the real server words it."""

from typing import Any, Final

import aiohttp
import pytest

from bot.sandbox.telegram import PrivateChat, TelegramStandIn, User
from bot.sandbox.telegram.errors import lower_first
from tests.sandbox.telegram.conftest import Call

MISSING: Final = 999_999
OWN: Final = "the bot's message"
OTHERS: Final = "a person's message"
FILE: Final = "a file of the bot"

REFUSALS: Final[list[tuple[str, dict[str, Any], str]]] = [
    # tdlib/telegram-bot-api Client.cpp, in the order of the Bot API's methods.
    ("sendMessage", {}, "message text is empty"),
    ("sendMessage", {"text": "x", "chat_id": ""}, "chat_id is empty"),
    ("sendMessage", {"text": "x", "chat_id": 5}, "chat not found"),
    ("sendMessage", {"text": "x", "chat_id": "@nobody_at_all"}, "chat not found"),
    ("sendMessage", {"text": " \n "}, "text must be non-empty"),
    ("sendMessage", {"text": "x" * 4097}, "message is too long"),
    ("sendMessage", {"text": "😀" * 2049}, "message is too long"),
    ("sendMessage", {"text": "x" * 32769}, "text is too long"),
    ("sendMessage", {"text": "x", "parse_mode": "Word"}, "unsupported parse_mode"),
    ("sendMessage", {"text": "x", "message_thread_id": 7}, "message thread not found"),
    (
        "sendMessage",
        {"text": "x", "reply_parameters": {"message_id": MISSING}},
        "message to be replied not found",
    ),
    (
        "sendMessage",
        {"text": "x", "reply_to_message_id": MISSING},
        "message to be replied not found",
    ),
    ("sendDocument", {}, "there is no document in the request"),
    (
        "sendDocument",
        {"document": "nonsense"},
        "wrong remote file identifier specified: can't unserialize it",
    ),
    ("sendDocument", {"caption": "x" * 1025}, "message caption is too long"),
    ("sendChatAction", {"action": "dancing"}, "wrong parameter action in request"),
    ("getFile", {}, "file_id not specified"),
    ("getFile", {"file_id": "nonsense"}, "invalid file_id"),
    ("editMessageText", {"text": "x"}, "message identifier is not specified"),
    ("editMessageText", {"text": "x", "message_id": MISSING}, "message to edit not found"),
    ("editMessageText", {"text": "x", "message_id": OTHERS}, "message can't be edited"),
    (
        "editMessageText",
        {"text": "x", "message_id": FILE},
        "there is no text in the message to edit",
    ),
    (
        "editMessageCaption",
        {"caption": "x", "message_id": OWN},
        "there is no caption in the message to edit",
    ),
    (
        "editMessageText",
        {"text": "own", "message_id": OWN},
        "message is not modified: specified new message content and reply markup are exactly the"
        " same as a current content and reply markup of the message",
    ),
    ("deleteMessage", {"message_id": MISSING}, "message to delete not found"),
    (
        "deleteMessages",
        {"message_ids": list(range(1, 102))},
        "too many message identifiers specified",
    ),
    (
        "deleteMessages",
        {"message_ids": ["x"]},
        "can't parse message identifiers JSON object",
    ),
    (
        "setMessageReaction",
        {"message_id": OTHERS, "reaction": [{"type": "emoji"}]},
        "REACTION_INVALID",
    ),
    ("pinChatMessage", {"message_id": MISSING}, "message to pin not found"),
    ("unpinChatMessage", {}, "message to unpin not found"),
    ("getChatMember", {"user_id": 1}, "invalid user_id specified"),
    (
        "getChatAdministrators",
        {},
        "there are no administrators in the private chat",
    ),
    (
        "setMessageReaction",
        {"message_id": MISSING, "reaction": []},
        "message to react not found",
    ),
    (
        "answerCallbackQuery",
        {"callback_query_id": "1"},
        "query is too old and response timeout expired or query ID is invalid",
    ),
    (
        "setMyCommands",
        {"commands": [{"command": "No!", "description": "x"}]},
        "BOT_COMMAND_INVALID",
    ),
    ("setWebhook", {"url": "https://a.b", "secret_token": "a b"},
     "secret token contains unallowed characters"),
    ("setWebhook", {"url": "https://a.b", "secret_token": "a" * 257}, "secret token is too long"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "params", "text"), REFUSALS)
async def test_refusals(
    call: Call, chat: PrivateChat, alice: User, method: str, params: dict[str, Any], text: str
) -> None:
    """A 400 with the exact description; nothing is sent, changed or deleted."""
    other = await chat.send_text(alice, "other")
    own = (await call("sendMessage", chat_id=chat.id, text="own"))["result"]["message_id"]
    theirs_file = await chat.send_file(alice, content=b"1")
    assert theirs_file.attachment is not None
    file_id = theirs_file.attachment.file.file_id
    file = (await call("sendDocument", chat_id=chat.id, document=file_id))["result"]["message_id"]
    named = {OWN: own, OTHERS: other.id, FILE: file}
    before = list(chat.history)
    values = {"chat_id": chat.id, **params}
    if values.get("message_id") in named:
        values["message_id"] = named[values["message_id"]]
    answer = await call(method, **values)

    assert {"ok": False, "error_code": 400, "description": f"Bad Request: {text}"} == answer
    assert before == chat.history


@pytest.mark.parametrize(
    ("token", "path", "status", "text"),
    [
        ("0:x", "getMe", 401, "Unauthorized: invalid token specified"),
        ("nonsense", "getMe", 401, "Unauthorized: invalid token specified"),
        ("1:" + "x" * 90, "getMe", 401, "Unauthorized: invalid token specified"),
        ("1:wrong", "getMe", 401, "Unauthorized"),
        (None, "getNothing", 404, "Not Found: method not found"),
        (None, "a/b", 404, "Not Found"),
        (None, "getStarTransactions", 501,
         "Not Implemented: the stand-in has no method getStarTransactions"),
    ],
)  # fmt: skip
async def test_tokens_and_paths(
    tg: TelegramStandIn,
    http: aiohttp.ClientSession,
    token: str | None,
    path: str,
    status: int,
    text: str,
) -> None:
    """Tokens and paths are checked in the order of the real server, with its texts."""
    async with http.get(f"{tg.base_url}{token or tg.token}/{path}") as answer:
        body = await answer.json()

    assert {"ok": False, "error_code": status, "description": text} == body
    assert status == answer.status


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Chat not found", "chat not found"),
        ("BUTTON_DATA_INVALID", "BUTTON_DATA_INVALID"),
        ("", ""),
    ],
)
def test_first_letter(text: str, told: str) -> None:
    """The first letter is lowered unless the word is one of the upper-case codes."""
    assert told == lower_first(text)
