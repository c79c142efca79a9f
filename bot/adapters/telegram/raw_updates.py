"""Updates as they came, before the library has read them: what is needed of one that it cannot
read, whom to tell, and what may be kept of one that is set aside.

The names of fields, and which of them are required, are those of the Bot API ("Update", "Message",
"User", "Chat", "CallbackQuery", "ChatMemberUpdated").
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bot.core.jobs import Origin

_SIZED: Final = {"width": 0, "height": 0, "duration": 0}
_FILES: Final[Mapping[str, Mapping[str, object]]] = {
    "animation": _SIZED,
    "document": {},
    "audio": {"duration": 0},
    "video": _SIZED,
    "voice": {"duration": 0},
    "video_note": {"length": 0, "duration": 0},
    "live_photo": _SIZED,
    "sticker": {
        "type": "regular",
        "width": 0,
        "height": 0,
        "is_animated": False,
        "is_video": False,
    },
}
"""Kinds of files, with the required fields that the program does not use."""
_OPTIONAL: Final[Mapping[str, type]] = {
    "text": str,
    "caption": str,
    "media_group_id": str,
    "message_thread_id": int,
    "is_topic_message": bool,
    "is_automatic_forward": bool,
    "migrate_to_chat_id": int,
    "migrate_from_chat_id": int,
}
_NAMED: Final = (
    "file_name",
    "mime_type",
    "file_size",
    "language_code",
    "entities",
    "caption_entities",
)
"""Optional parts of a message and of what is in it, which the program uses where they are."""
_MOST: Final = 1 << 31
"""Widths, durations and the like are below it, as 32-bit integers are."""
_CHAT_TYPES: Final = ("private", "group", "supergroup", "channel")
_PRESENT: Final = ("creator", "administrator", "member")


class PartMissing(ValueError):
    """A part that is needed is missing or of another type. The text names the field only."""


def without_optional_parts(raw: Mapping[str, Any], now: int) -> dict[str, Any]:
    """Return an update with nothing but what the program needs, each part of the right type.
    `now` (Unix time) stands for a date that cannot be read.

    Raises:
        PartMissing: the update is of no use without a part that it lacks.
    """
    update: dict[str, Any] = {"update_id": raw["update_id"]}
    if "message" in raw:
        update["message"] = _received(raw["message"], now)
    elif "callback_query" in raw:
        update["callback_query"] = _press(raw["callback_query"], now)
    elif "my_chat_member" in raw:
        update["my_chat_member"] = _membership(raw["my_chat_member"], now)
    return update


def is_well_typed(raw: Mapping[str, Any]) -> bool:
    """Return whether the parts of an update that the program uses have the right types. The
    library does not look: a chat of an unknown type would be ignored without a word, and a name
    that is a number would fail in a handler.
    """
    given = raw.get("message")
    try:
        if isinstance(given, dict):
            return _is_well_typed(given)
        if "callback_query" in raw:
            press = _press(raw["callback_query"], now=-1)
            return bool(press.get("data") == raw["callback_query"].get("data"))
        if "my_chat_member" in raw:
            _membership(raw["my_chat_member"], now=-1)
    except PartMissing:
        return False
    return True


def _is_well_typed(given: Mapping[str, Any]) -> bool:
    needed = _received(given, now=-1)
    dropped = [name for name in _OPTIONAL if given.get(name) is not None and name not in needed]
    return not dropped and _agrees(needed, given)


def _agrees(needed: object, given: object) -> bool:
    """Return whether what is used was given so; what was not given has been filled in."""
    if isinstance(needed, dict) and isinstance(given, dict):
        return all(name in needed or given.get(name) is None for name in _NAMED) and all(
            _agrees(value, given[name])
            for name, value in needed.items()
            if name in given and name != "via_bot"
        )
    if isinstance(needed, list) and isinstance(given, list):
        return len(needed) == len(given) and all(map(_agrees, needed, given))
    return needed == given


def _received(value: object, now: int) -> dict[str, Any]:
    """Read a message that a person has sent. In a private chat only its user sends: if the ids
    differ, one of them is wrong, and a file must not reach another person.
    """
    message = _message(value, now)
    chat, sender = message["chat"], message.get("from")
    is_own = sender is None or sender["id"] == chat["id"]
    if chat["type"] == "private" and not is_own:
        raise PartMissing("user.id")
    return message


def _message(value: object, now: int, *, is_reply: bool = False) -> dict[str, Any]:
    given = _dict(value, "message")
    chat = _chat(given.get("chat"))
    message: dict[str, Any] = {
        "message_id": _id(given.get("message_id"), "message_id"),
        "chat": chat,
        "date": _date(given.get("date"), now),
        **_typed(given, _OPTIONAL),
        **_files(given),
    }
    if "sender_chat" in given:
        # Not optional: a person who writes as a chat must not be taken for another one.
        message["sender_chat"] = _chat(given["sender_chat"])
    if "from" in given:
        message["from"] = _sender(given["from"], chat)
    if given.get("via_bot") is not None:
        message["via_bot"] = {"id": 0, "is_bot": True, "first_name": ""}
    for entities in ("entities", "caption_entities"):
        if isinstance(given.get(entities), list):
            message[entities] = list(_entities(given[entities]))
    if is_reply and "forward_origin" in given:
        # A command that is about the origin must not hit who forwarded it.
        message.pop("from", None)
    if not is_reply and "reply_to_message" in given:
        message |= _reply(given["reply_to_message"], now)
    return message


def _reply(value: object, now: int) -> dict[str, Any]:
    try:
        return {"reply_to_message": _message(value, now, is_reply=True)}
    except PartMissing:
        return {}


def _files(given: Mapping[str, Any]) -> dict[str, Any]:
    files: dict[str, Any] = {
        kind: _file(given[kind], required) for kind, required in _FILES.items() if kind in given
    }
    if "photo" in given:
        files["photo"] = _sizes(given["photo"])
    if "live_photo" in files and "photo" in given["live_photo"]:
        files["live_photo"]["photo"] = _sizes(given["live_photo"]["photo"])
    if "paid_media" in given:
        files["paid_media"] = {"star_count": 0, "paid_media": _paid(given["paid_media"])}
    # The library does not read it.
    return files | _typed(given, {"rich_message": dict})


def _sizes(value: object) -> list[dict[str, Any]]:
    sizes = value if isinstance(value, list) else []
    usable = [size for size in sizes if _is_file(size)]
    if not usable:
        raise PartMissing("photo")
    return [_file(size, {"width": 0, "height": 0}) for size in usable]


def _paid(value: object) -> list[dict[str, Any]]:
    items = _dict(value, "paid_media").get("paid_media")
    if not isinstance(items, list):
        raise PartMissing("paid_media")
    kept = ("photo", "video", "live_photo")
    return [
        {**_typed(item, {"type": str}), **_files({k: item[k] for k in kept if k in item})}
        for item in items
        if isinstance(item, dict)
    ]


def _is_file(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(value.get(name), str) for name in ("file_id", "file_unique_id")
    )


def _file(value: object, required: Mapping[str, object]) -> dict[str, Any]:
    if not isinstance(value, dict) or not _is_file(value):
        raise PartMissing("file_id")
    file = {name: value[name] for name in ("file_id", "file_unique_id")}
    given = _typed(value, {name: type(low) for name, low in required.items()})
    file |= {**required, **{name: it for name, it in given.items() if _is_small(it)}}
    size = value.get("file_size")
    if type(size) is int and 0 <= size < 1 << 63:
        file["file_size"] = size
    return file | _typed(value, {"file_name": str, "mime_type": str})


def _is_small(value: object) -> bool:
    return not isinstance(value, int) or 0 <= value < _MOST


def _entities(given: Iterable[object]) -> Iterable[dict[str, Any]]:
    for entity in given:
        if isinstance(entity, dict):
            typed = _typed(entity, {"type": str, "offset": int, "length": int})
            if len(typed) == 3:
                yield typed


def _press(value: object, now: int) -> dict[str, Any]:
    given = _dict(value, "callback_query")
    press = {
        "id": given.get("id"),
        "from": _user(given.get("from")),
        "chat_instance": "",
        "message": _message(given.get("message"), now),
        **_typed(given, {"data": str}),
    }
    if not isinstance(press["id"], str):
        raise PartMissing("id")
    markup = given["message"].get("reply_markup")
    if isinstance(markup, dict) and (rows := _buttons(markup.get("inline_keyboard"))):
        press["message"]["reply_markup"] = {"inline_keyboard": rows}
    return press


def _buttons(rows: object) -> list[list[dict[str, str]]]:
    if not isinstance(rows, list):
        return []
    return [
        [
            typed
            for button in row
            if isinstance(button, dict)
            and len(typed := _typed(button, {"text": str, "callback_data": str})) == 2
        ]
        for row in rows
        if isinstance(row, list)
    ]


def _membership(value: object, now: int) -> dict[str, Any]:
    given = _dict(value, "my_chat_member")
    return {
        "chat": _chat(given.get("chat")),
        "from": _user(given.get("from")),
        "date": _date(given.get("date"), now),
        "old_chat_member": _member(given.get("old_chat_member")),
        "new_chat_member": _member(given.get("new_chat_member")),
    }


def _member(value: object) -> dict[str, Any]:
    given = _dict(value, "chat_member")
    status = given.get("status")
    if not isinstance(status, str):
        raise PartMissing("status")
    is_in = status in _PRESENT or (status == "restricted" and given.get("is_member") is True)
    return {"status": "member" if is_in else "left", "user": _user(given.get("user"))}


def _chat(value: object) -> dict[str, Any]:
    given = _dict(value, "chat")
    id_ = _id(given.get("id"), "chat.id")
    kind = given.get("type")
    if kind not in _CHAT_TYPES:
        kind = "private" if id_ > 0 else "supergroup"
    return {"id": id_, "type": kind}


def _sender(value: object, chat: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return _user(value)
    except PartMissing:
        if chat["type"] != "private":
            raise
        # A private chat has the id of its user.
        return _user({"id": chat["id"]})


def _user(value: object) -> dict[str, Any]:
    given = _dict(value, "user")
    user = {"id": _id(given.get("id"), "user.id"), "first_name": "", "is_bot": False}
    return user | _typed(given, {"first_name": str, "is_bot": bool, "language_code": str})


def _dict(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PartMissing(name)
    return value


def _id(value: object, name: str) -> int:
    if type(value) is not int or not -(1 << 63) <= value < 1 << 63:
        raise PartMissing(name)
    return value


def _date(value: object, now: int) -> int:
    return value if type(value) is int and 0 <= value < 1 << 32 else now


def _typed(given: Mapping[str, Any], types: Mapping[str, type]) -> dict[str, Any]:
    return {name: given[name] for name, kind in types.items() if type(given.get(name)) is kind}


def origin_of(raw: Mapping[str, Any], bot_id: int) -> Origin | None:
    """Return where the message of an update came from, as far as it can be read; `None` if it is
    no message or its chat or its number cannot be read.
    """
    try:
        message = _dict(raw.get("message"), "message")
        chat_id = _id(_dict(message.get("chat"), "chat").get("id"), "chat.id")
        message_id = _id(message.get("message_id"), "message_id")
    except PartMissing:
        return None
    sender = message.get("from")
    user = sender if isinstance(sender, dict) else {}
    # A private chat has the id of its user; the sender in the update may differ.
    user_id, language = user.get("id") if chat_id < 0 else chat_id, user.get("language_code")
    return Origin(
        bot_id=bot_id,
        chat_id=chat_id,
        message_id=message_id,
        owner_id=user_id if type(user_id) is int and abs(user_id) < 1 << 63 else chat_id,
        language=language if isinstance(language, str) else "",
    )


@dataclass(frozen=True, slots=True)
class RawPress:
    """A press of a button, as far as it can be read: 0 and "" stand for what cannot be."""

    query_id: str
    user_id: int
    chat_id: int
    language: str


def press_of(raw: Mapping[str, Any]) -> RawPress | None:
    """Return the press of an update; `None` if it is none, or has no id to answer it with."""
    given = raw.get("callback_query")
    query_id = given.get("id") if isinstance(given, dict) else None
    if not isinstance(given, dict) or not isinstance(query_id, str) or not query_id:
        return None
    message = given.get("message")
    chat = message.get("chat") if isinstance(message, dict) else None
    user = given.get("from")
    language = user.get("language_code") if isinstance(user, dict) else None
    return RawPress(
        query_id=query_id,
        user_id=_id_or_0(user),
        chat_id=_id_or_0(chat),
        language=language if isinstance(language, str) else "",
    )


def _id_or_0(value: object) -> int:
    try:
        return _id(_dict(value, "").get("id"), "")
    except PartMissing:
        return 0


def is_command(raw: Mapping[str, Any]) -> bool:
    """Return whether the message of an update begins as a command does."""
    message = raw.get("message")
    given = message if isinstance(message, dict) else {}
    return any(
        isinstance(text := given.get(name), str) and text.startswith("/")
        for name in ("text", "caption")
    )


def summary(raw: Mapping[str, Any]) -> str:
    """Describe an update by ids and the names of its fields, as JSON; no text of a message is in
    it.
    """
    kind = next((name for name in raw if name != "update_id"), "")
    content = raw.get(kind)
    fields = sorted(content) if isinstance(content, dict) else []
    ids: dict[str, int] = {}
    if isinstance(content, dict):
        found = {"message_id": content.get("message_id")}
        found |= {
            name: part.get("id")
            for name in ("chat", "from")
            if isinstance(part := content.get(name), dict)
        }
        ids = {name: value for name, value in found.items() if type(value) is int}
    # In ASCII, because SQLite does not take half a surrogate pair.
    return json.dumps({"kind": kind, "fields": fields, "ids": ids})
