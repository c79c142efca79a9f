"""Parse the text or caption of a request into text with entities, refusing as the server does."""

from typing import Any, Final

from bot.sandbox.telegram.errors import bad_request, missing
from bot.sandbox.telegram.html_parser import parse_html
from bot.sandbox.telegram.links import InvalidLink, check_link
from bot.sandbox.telegram.params import Params
from bot.sandbox.telegram.text import Entity, Formatted, detect, order, trimmed, utf16_length

TEXT_LIMIT: Final = 4096
"""UTF-16 code units of a text after entities (source: Bot API, "sendMessage")."""

CAPTION_LIMIT: Final = 1024
"""The same for captions (source: Bot API, "sendDocument")."""

RAW_LIMIT: Final = 32768
"""Bytes before parsing (source: tdlib/telegram-bot-api `Client.cpp`, "text is too long")."""

KINDS: Final = frozenset(
    {
        "mention", "hashtag", "cashtag", "bot_command", "url", "email", "phone_number", "bold",
        "italic", "underline", "strikethrough", "spoiler", "blockquote", "expandable_blockquote",
        "code", "pre", "text_link", "text_mention", "custom_emoji",
    }
)  # fmt: skip
FOUND: Final = frozenset(
    {"mention", "hashtag", "cashtag", "bot_command", "url", "email", "phone_number"}
)
"""Kinds that the server finds itself; given ones are not trusted but looked for again."""


def message_text(params: Params) -> Formatted:
    """Return the text of `sendMessage` and `editMessageText`.

    Raises:
        ApiError: empty, too long, or badly formatted.
    """
    if not params.text("text"):
        raise bad_request("message text is empty")
    formatted = _formatted(params, "text", "entities")
    if not formatted.text:
        raise bad_request("text must be non-empty")
    if utf16_length(formatted.text) > TEXT_LIMIT:
        raise bad_request("message is too long")
    return formatted


def message_caption(params: Params) -> Formatted | None:
    """Return the caption of a media message, `None` without one.

    Raises:
        ApiError: too long, or badly formatted.
    """
    formatted = _formatted(params, "caption", "caption_entities")
    if utf16_length(formatted.text) > CAPTION_LIMIT:
        raise bad_request("message caption is too long")
    return formatted if formatted.text else None


def _formatted(params: Params, name: str, entities: str) -> Formatted:
    raw = params.text(name)
    if len(raw.encode("utf-8", "replace")) > RAW_LIMIT:
        raise bad_request("text is too long")
    mode = params.text("parse_mode").lower()
    if mode == "html":
        parsed = parse_html(raw)
    elif mode in {"markdown", "markdownv2"}:
        raise missing(f"parse_mode {mode}")
    elif mode in {"", "none"}:
        given = params.items(entities, "MessageEntity")
        parsed = Formatted(raw, _checked(raw, given))
    else:
        raise bad_request("unsupported parse_mode")
    return detect(trimmed(Formatted(cleaned(parsed.text), parsed.entities)))


def cleaned(text: str) -> str:
    """Replace control characters by spaces, as the server does with every text."""
    return "".join(" " if char < " " and char != "\n" else char for char in text)


def _checked(text: str, given: list[Any]) -> tuple[Entity, ...]:
    end = utf16_length(text)
    entities = []
    for item in given:
        entity = _entity(item)
        start, stop = entity["offset"], entity["offset"] + entity["length"]
        if start > end:
            raise bad_request(f"entity begins after the end of the text at UTF-16 offset {start}")
        if stop > end:
            raise bad_request(
                f"entity beginning at UTF-16 offset {start} ends after the end of the text"
                f" at UTF-16 offset {stop}"
            )
        if entity["length"] > 0 and entity["type"] not in FOUND:
            entities.append(entity)
    return order(entities)


def _entity(item: Any) -> Entity:
    if not isinstance(item, dict):
        raise bad_request("can't parse MessageEntity: expected an Object")
    for key in ("type", "offset", "length"):
        if key not in item:
            raise bad_request(f"can't parse MessageEntity: Can't find field \"{key}\"")
    for key in ("offset", "length"):
        if not isinstance(item[key], int):
            raise bad_request(f'can\'t parse MessageEntity: Field "{key}" must be a valid Number')
    if item["type"] not in KINDS:
        raise bad_request("can't parse MessageEntity: Unsupported type specified")
    extra = ("url",) if item["type"] == "text_link" else ("language", "custom_emoji_id")
    kept = {key: item[key] for key in extra if item.get(key)}
    if item["type"] == "text_link":
        kept["url"] = _link(str(item.get("url", "")))
    return {"type": item["type"], "offset": item["offset"], "length": item["length"], **kept}


def _link(url: str) -> str:
    try:
        return check_link(url)
    except InvalidLink as error:
        raise bad_request(f"entity URL '{url}' is invalid: {error}") from None
