"""Thirty kinds of updates as Telegram sends them, and the answers to fifteen methods.

Shapes: Bot API 10.1. All ids come from the caller, so that a stand-in can know them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

DATE: Final = 1_777_900_000
"""A moment in 2026 (POSIX timestamp, s)."""

BOT: Final = {"id": 123456, "is_bot": True, "first_name": "Other", "username": "other_bot"}

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ids:
    """The ids in one update: a private chat with a person, a message, and its file."""

    person: int = 700_000_001
    message: int = 11
    file: str = "BQACAgIAAxkBAAIfile"
    unique: str = "AgADunique"


def _user(ids: Ids) -> Json:
    return {"id": ids.person, "is_bot": False, "first_name": "Ann", "language_code": "en"}


def _chat(ids: Ids) -> Json:
    return {"id": ids.person, "first_name": "Ann", "type": "private"}


def _message(ids: Ids, **content: Any) -> Json:
    head = {"message_id": ids.message, "from": _user(ids), "chat": _chat(ids), "date": DATE}
    return {"message": {**head, **content}}


def _file(ids: Ids, **fields: Any) -> Json:
    return {**fields, "file_id": ids.file, "file_unique_id": ids.unique, "file_size": 5}


def _size(ids: Ids, width: int = 90) -> Json:
    return _file(ids, width=width, height=67)


def _document(ids: Ids) -> Json:
    return _file(ids, file_name="a.txt", mime_type="text/plain")


def _with_document(**more: Any) -> Callable[[Ids], Json]:
    return lambda ids: _message(ids, **more, document=_document(ids))


def _animation(ids: Ids) -> Json:
    fields = _file(ids, file_name="a.mp4", mime_type="video/mp4")
    animation = {"duration": 3, "width": 3, "height": 2, **fields}
    return _message(ids, animation=animation, document=fields)


def _sticker(ids: Ids) -> Json:
    looks = {"is_animated": False, "is_video": False, "type": "regular", "emoji": "👍"}
    return _message(ids, sticker={"width": 512, "height": 512, **looks, **_file(ids)})


def _video(ids: Ids) -> Json:
    thumbnail = {"file_id": "AAMthumb", "file_unique_id": "AQthumb", "width": 3, "height": 2}
    shape = {"duration": 12, "width": 1280, "height": 720, "mime_type": "video/mp4"}
    return _message(ids, video={**shape, "thumbnail": thumbnail, **_file(ids)})


def _forward(origin: Callable[[Ids], Json]) -> Callable[[Ids], Json]:
    return lambda ids: _message(ids, forward_origin=origin(ids), document=_document(ids))


def _channel_origin(_: Ids) -> Json:
    chat = {"id": -1001, "type": "channel", "title": "News"}
    return {"type": "channel", "chat": chat, "message_id": 5, "date": DATE}


def _reply(ids: Ids) -> Json:
    earlier = {"message_id": 3, "from": _user(ids), "chat": _chat(ids), "date": DATE, "text": "x"}
    return _message(ids, reply_to_message=earlier, document=_document(ids))


def _external_reply(ids: Ids) -> Json:
    origin = _channel_origin(ids)
    outer = {"origin": origin, "chat": origin["chat"], "message_id": 5}
    return _message(ids, external_reply=outer, document=_document(ids))


def _command(text: str) -> Callable[[Ids], Json]:
    entity = {"type": "bot_command", "offset": 0, "length": len(text)}
    return lambda ids: _message(ids, text=text, entities=[entity])


def _press(ids: Ids) -> Json:
    shown = {**_message(ids, text="x")["message"], "from": BOT}
    fields = {"id": str(ids.message), "from": _user(ids), "message": shown, "data": "old"}
    return {"callback_query": {**fields, "chat_instance": "1"}}


def _membership(ids: Ids) -> Json:
    was, now = [{"user": BOT, "status": status} for status in ("member", "left")]
    fields = {"chat": _chat(ids), "from": _user(ids), "date": DATE}
    return {"my_chat_member": {**fields, "old_chat_member": was, "new_chat_member": now}}


def _restriction(ids: Ids) -> Json:
    update = _membership(ids)
    rights = dict.fromkeys(("can_send_messages", "can_send_documents", "can_edit_tag"), True)
    member = {"user": BOT, "status": "restricted", "is_member": True, "until_date": 0, **rights}
    group = {"id": -1_000_000_000_000 - ids.person, "type": "supergroup", "title": "Team"}
    update["my_chat_member"] |= {"chat": group, "new_chat_member": member}
    return update


BOLD: Final = {"type": "bold", "offset": 0, "length": 1}

FILES: Final[dict[str, Callable[[Ids], Json]]] = {
    "document": _with_document(),
    "caption": _with_document(caption="x", caption_entities=[BOLD]),
    "album item": _with_document(media_group_id="12345678901234567"),
    "protected": _with_document(has_protected_content=True, has_media_spoiler=True),
    "edited": _with_document(edit_date=DATE + 5, author_signature="A"),
    "link preview": _with_document(link_preview_options={"is_disabled": True}),
    "quote": _with_document(quote={"text": "x", "position": 0, "entities": [BOLD]}),
    "photo": lambda ids: _message(ids, photo=[_size(ids), _size(ids, 1280)]),
    "video": _video,
    "audio": lambda ids: _message(ids, audio=_file(ids, duration=9, performer="P", title="T")),
    "voice": lambda ids: _message(ids, voice=_file(ids, duration=9, mime_type="audio/ogg")),
    "video note": lambda ids: _message(ids, video_note=_file(ids, length=384, duration=9)),
    "animation": _animation,
    "sticker": _sticker,
    "forward of a person": _forward(
        lambda ids: {"type": "user", "sender_user": _user(ids), "date": DATE}
    ),
    "forward of a hidden person": _forward(
        lambda _: {"type": "hidden_user", "sender_user_name": "S", "date": DATE}
    ),
    "forward of a channel": _forward(_channel_origin),
    "reply": _reply,
    "external reply": _external_reply,
    "reply markup": _with_document(
        reply_markup={"inline_keyboard": [[{"text": "x", "url": "https://example.org"}]]}
    ),
}
"""Messages that carry a file which the bot relays."""

OTHERS: Final[dict[str, Callable[[Ids], Json]]] = {
    "via a bot": _with_document(via_bot=BOT),
    "command": _command("/help"),
    "text": lambda ids: _message(ids, text="hello", entities=[BOLD]),
    "contact": lambda ids: _message(ids, contact={"phone_number": "1", "first_name": "C"}),
    "location": lambda ids: _message(ids, location={"latitude": 1.5, "longitude": 2.5}),
    "dice": lambda ids: _message(ids, dice={"emoji": "🎲", "value": 3}),
    "pinned": lambda ids: _message(ids, pinned_message=_message(ids, text="x")["message"]),
    "press": _press,
    "membership": _membership,
    "restriction": _restriction,
}
"""Updates without a file, or with one that the bot does not relay."""

UPDATES: Final = {**FILES, **OTHERS}

_ME: Final = {
    **BOT, "can_join_groups": True, "can_read_all_group_messages": False,
    "supports_inline_queries": False, "can_connect_to_business": False, "has_main_web_app": False,
}  # fmt: skip
_COMMANDS: Final = [{"command": "status", "description": "x"}]
_SENT: Final = {
    "message_id": 12, "from": BOT, "chat": _chat(Ids()), "date": DATE, "text": "x",
    "entities": [BOLD],
}  # fmt: skip
_GOT: Final = {"file_id": "B", "file_unique_id": "A", "file_size": 5, "file_path": "documents/1"}

STARTING: Final[dict[str, Any]] = {
    "getMe": _ME,
    "deleteWebhook": True,
    "getMyCommands": _COMMANDS,
    "setMyCommands": True,
    "getMyShortDescription": {"short_description": "x"},
    "setMyShortDescription": True,
    "getMyDescription": {"description": "x"},
    "setMyDescription": True,
}
"""The `result` of methods that the bot calls when it starts."""

RUNNING: Final[dict[str, Any]] = {
    "getFile": _GOT,
    "sendMessage": _SENT,
    "editMessageText": _SENT,
    "leaveChat": True,
    "answerCallbackQuery": True,
    "setMessageReaction": True,
}
"""The `result` of methods that the bot calls for a person."""

POLLING: Final[dict[str, Any]] = {"getUpdates": [{"update_id": 1, "message": _SENT}]}
"""The `result` of polls."""
