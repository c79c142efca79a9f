"""Every method of the stand-in: known by that name, and its result of the promised type."""

from typing import TYPE_CHECKING, Any, Final

import pytest
from pydantic import TypeAdapter

from bot.sandbox.telegram import Group, TelegramStandIn, User
from bot.sandbox.telegram.methods import METHODS
from bot.sandbox.telegram.methods.known import KNOWN
from tests.sandbox.telegram.conftest import Call
from tests.sandbox.telegram.oracles import left_over_in_aiogram
from tests.sandbox.telegram.schema import is_there, load

if TYPE_CHECKING:
    from aiogram.methods import TelegramMethod

FILES: Final = (
    "document",
    "photo",
    "video",
    "audio",
    "voice",
    "video_note",
    "animation",
    "sticker",
)
NAMES: Final = [name for name, _ in METHODS.values()]

CHAT: Final = "the group"
OWN: Final = "a message of the bot"
FILE: Final = "a message of the bot with a file"
QUERY: Final = "a press"

CALLS: Final[dict[str, dict[str, Any]]] = {
    "getMe": {},
    "getUpdates": {},
    "getWebhookInfo": {},
    "setWebhook": {"url": "http://127.0.0.1:9/hook"},
    "deleteWebhook": {},
    "logOut": {},
    "close": {},
    "setMyCommands": {"commands": [{"command": "start", "description": "Begin"}]},
    "getMyCommands": {},
    "deleteMyCommands": {},
    "setMyName": {"name": "Relay"},
    "getMyName": {},
    "setMyDescription": {"description": "What it does"},
    "getMyDescription": {},
    "setMyShortDescription": {"short_description": "Short"},
    "getMyShortDescription": {},
    "setChatMenuButton": {"menu_button": {"type": "default"}},
    "getChatMenuButton": {},
    "sendMessage": {"chat_id": CHAT, "text": "x"},
    **{f"send{''.join(map(str.title, kind.split('_')))}": {"chat_id": CHAT, kind: f"a {kind}"}
       for kind in FILES},
    "sendMediaGroup": {
        "chat_id": CHAT,
        "media": [{"type": "document", "media": "a document"}] * 2,
    },
    "sendChatAction": {"chat_id": CHAT, "action": "typing"},
    "forwardMessage": {"chat_id": CHAT, "from_chat_id": CHAT, "message_id": OWN},
    "copyMessage": {"chat_id": CHAT, "from_chat_id": CHAT, "message_id": OWN},
    "editMessageText": {"chat_id": CHAT, "message_id": OWN, "text": "y"},
    "editMessageCaption": {"chat_id": CHAT, "message_id": FILE, "caption": "y"},
    "editMessageReplyMarkup": {
        "chat_id": CHAT,
        "message_id": FILE,
        "reply_markup": {"inline_keyboard": [[{"text": "a", "callback_data": "b"}]]},
    },
    "deleteMessage": {"chat_id": CHAT, "message_id": OWN},
    "deleteMessages": {"chat_id": CHAT, "message_ids": [1, 2]},
    "getFile": {"file_id": "a document"},
    "answerCallbackQuery": {"callback_query_id": QUERY},
    "getChat": {"chat_id": CHAT},
    "getChatMember": {"chat_id": CHAT, "user_id": 1},
    "getChatMemberCount": {"chat_id": CHAT},
    "getChatAdministrators": {"chat_id": CHAT},
    "leaveChat": {"chat_id": CHAT},
    "setMessageReaction": {
        "chat_id": CHAT,
        "message_id": OWN,
        "reaction": [{"type": "emoji", "emoji": "👀"}],
    },
    "pinChatMessage": {"chat_id": CHAT, "message_id": OWN},
    "unpinChatMessage": {"chat_id": CHAT},
}  # fmt: skip
"""One good call per method; marks in it stand for what the test has prepared."""


def model_of(name: str) -> "type[TelegramMethod[Any]]":
    """Return aiogram's class for a method."""
    import aiogram.methods

    found: type[TelegramMethod[Any]] = getattr(aiogram.methods, name[0].upper() + name[1:])
    return found


async def prepared(call: Call, group: Group, alice: User) -> dict[str, Any]:
    """Return what the marks in the calls stand for."""
    ids: dict[str, Any] = {CHAT: group.id}
    for kind in FILES:
        message = await group.send_file(alice, content=b"x", kind=kind)
        assert message.attachment is not None
        ids[f"a {kind}"] = message.attachment.file.file_id
    markup = {"inline_keyboard": [[{"text": "a", "callback_data": "a"}]]}
    own = await call("sendMessage", chat_id=group.id, text="x", reply_markup=markup)
    file = await call("sendDocument", chat_id=group.id, document=ids["a document"])
    ids[OWN], ids[FILE] = own["result"]["message_id"], file["result"]["message_id"]
    ids[QUERY] = (await group.press(alice, ids[OWN], "a")).id
    await call("pinChatMessage", chat_id=group.id, message_id=ids[FILE])
    return ids


def filled(value: Any, ids: dict[str, Any]) -> Any:
    """Replace the marks in a value."""
    if isinstance(value, dict):
        return {name: filled(item, ids) for name, item in value.items()}
    if isinstance(value, list):
        return [filled(item, ids) for item in value]
    return ids.get(value, value) if isinstance(value, str) else value


@pytest.mark.parametrize("name", NAMES)
async def test_results(call: Call, tg: TelegramStandIn, alice: User, name: str) -> None:
    """A good call of each method returns what aiogram expects, with nothing left over."""
    group = tg.add_group("Team", alice, bot="administrator")
    one = tg.add_user("One", id=1)
    await group.join(one)
    ids = await prepared(call, group, alice)
    answer = await call(name, **filled(CALLS[name], ids))
    assert answer["ok"], answer
    model = model_of(name)
    result = TypeAdapter(model.__returning__).validate_python(answer["result"])

    assert list(left_over_in_aiogram(result, name)) == []
    assert name == model.__api_method__


@pytest.mark.parametrize("name", NAMES if is_there() else NAMES[:1])
async def test_results_by_schema(call: Call, tg: TelegramStandIn, alice: User, name: str) -> None:
    """Parameters and results of each method are those of the documentation."""
    schema = load()
    group = tg.add_group("Team", alice, bot="administrator")
    await group.join(tg.add_user("One", id=1))
    ids = await prepared(call, group, alice)
    answer = await call(name, **filled(CALLS[name], ids))
    known = {field["name"] for field in schema.methods[name].get("fields", [])}

    assert schema.faults(answer["result"], schema.methods[name]["returns"], name) == []
    assert set() == CALLS[name].keys() - known


async def test_updates_by_schema(call: Call, tg: TelegramStandIn, alice: User) -> None:
    """Updates are those of the documentation."""
    schema = load()
    group = tg.add_group("Team", alice, forum=True, bot="administrator")
    topic = await group.add_topic(alice, "T")
    await group.send_text(alice, "/start", thread_id=topic, as_chat=group)
    await group.demote_bot(alice)
    await group.kick_bot(alice)
    await prepared(call, tg.add_group("Other", alice, bot="administrator"), alice)
    updates = (await call("getUpdates"))["result"]

    assert [fault for update in updates for fault in schema.faults(update, ["Update"], "")] == []


def test_names() -> None:
    """Names that are known to be missing are real; those that exist are spelled right."""
    import aiogram.methods

    real = {
        getattr(aiogram.methods, name).__api_method__.lower()
        for name in aiogram.methods.__all__
        if name not in {"TelegramMethod", "Request", "Response"}
    }

    assert set() == KNOWN - real
    assert set() == METHODS.keys() - real
    assert CALLS.keys() == set(NAMES)


def test_kinds_of_updates() -> None:
    """`allowed_updates` knows the kinds of updates that aiogram knows."""
    from aiogram.types import Update

    from bot.sandbox.telegram.updates import KINDS

    assert set() == set(KINDS) - Update.model_fields.keys()
