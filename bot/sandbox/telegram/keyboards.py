"""Inline keyboards, validated as the server does."""

import json
from typing import Any, Final

from bot.sandbox.telegram.errors import MARKUP_TOO_LONG, ApiError, bad_request
from bot.sandbox.telegram.links import InvalidLink, check_link
from bot.sandbox.telegram.params import Params

MOST_BUTTONS: Final = 100
"""Buttons of one keyboard."""

LARGEST: Final = 10 << 10
"""Bytes of one keyboard as JSON; the real limit is not documented, 10 KiB are often reported
(tginfo/Telegram-Limits issue 187).
"""

STYLES: Final = frozenset({"danger", "success", "primary"})
OTHER_ACTIONS: Final = (
    "web_app", "login_url", "switch_inline_query", "switch_inline_query_current_chat",
    "switch_inline_query_chosen_chat", "callback_game", "pay",
)  # fmt: skip
"""Actions that are passed through as they are; this project's bots do not use them."""


def parse_markup(params: Params) -> dict[str, Any] | None:
    """Return the inline keyboard of a request as messages show it, `None` without one.

    Reply keyboards, their removal and `force_reply` are accepted and not shown: they belong to the
    input field of a person's app, not to the message.

    Raises:
        ApiError: it cannot be read, or a button is not allowed.
    """
    raw = params.values.get("reply_markup")
    if raw in (None, "", {}):
        return None
    if isinstance(raw, str):
        raise bad_request("can't parse reply keyboard markup JSON object")
    if not isinstance(raw, dict):
        raise bad_request("object expected as reply markup")
    if "inline_keyboard" not in raw:
        return None
    rows = [_row(row) for row in _array(raw["inline_keyboard"])]
    rows = [row for row in rows if row]
    size = len(json.dumps(rows, ensure_ascii=False).encode("utf-8", "replace"))
    if sum(map(len, rows)) > MOST_BUTTONS or size > LARGEST:
        raise bad_request(MARKUP_TOO_LONG)
    return {"inline_keyboard": rows} if rows else None


def _array(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise bad_request('Field "inline_keyboard" must be of type Array')
    return value


def _row(row: Any) -> list[dict[str, Any]]:
    if not isinstance(row, list):
        raise bad_request('Field "inline_keyboard" must be an Array of Arrays')
    # The real server leaves out a button without text instead of refusing it.
    return [button for button in map(_button, row) if button["text"]]


def _button(raw: Any) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise _error("InlineKeyboardButton must be an Object")
    if "text" not in raw:
        raise _error('Can\'t find field "text"')
    if not isinstance(raw["text"], str):
        raise _error('Field "text" must be of type String')
    button: dict[str, Any] = {"text": raw["text"].strip(), **_action(raw)}
    if raw.get("style") in STYLES:
        button["style"] = raw["style"]
    return button


def _action(raw: dict[str, Any]) -> dict[str, Any]:
    if raw.get("url"):
        return {"url": _url(str(raw["url"]))}
    if raw.get("callback_data"):
        # 1-64 bytes (source: Bot API, "InlineKeyboardButton").
        if len(str(raw["callback_data"]).encode()) > 64:
            raise bad_request("BUTTON_DATA_INVALID")
        return {"callback_data": str(raw["callback_data"])}
    if "copy_text" in raw:
        return {"copy_text": {"text": _copied(raw["copy_text"])}}
    for name in OTHER_ACTIONS:
        if name in raw:
            return {name: raw[name]}
    raise _error("Text buttons are unallowed in the inline keyboard")


def _url(url: str) -> str:
    try:
        return check_link(url)
    except InvalidLink as error:
        raise bad_request(f"inline keyboard button URL '{url}' is invalid: {error}") from None


def _copied(raw: Any) -> str:
    if not isinstance(raw, dict) or "text" not in raw:
        raise _error('Can\'t find field "text"')
    # 1-256 characters (source: Bot API, "CopyTextButton").
    if not 1 <= len(str(raw["text"])) <= 256:
        raise bad_request("BUTTON_COPY_TEXT_INVALID")
    return str(raw["text"])


def _error(text: str) -> ApiError:
    return bad_request(f"can't parse inline keyboard button: {text}")
