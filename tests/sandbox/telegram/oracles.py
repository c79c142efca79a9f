"""Independent oracles: python-telegram-bot and aiogram must know every field that is sent.

aiogram is only imported by the tests that need it, here and elsewhere: its models take seconds.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pydantic
import telegram

if TYPE_CHECKING:
    from aiogram import Bot as Aiogram

LEGACY: Final = frozenset(
    {
        "thumb",
        "forward_from",
        "forward_from_chat",
        "forward_from_message_id",
        "forward_signature",
        "forward_sender_name",
        "forward_date",
    }
)
"""Fields that the real server still sends beside their successors; both libraries ignore them."""

NEWER: Final = frozenset({"can_send_welcome_messages"})
"""Fields of a newer Bot API than python-telegram-bot's, without which aiogram refuses."""

Model = TypeVar("Model", bound=pydantic.BaseModel)


def left_over_in_ptb(obj: object, path: str = "") -> Iterator[str]:
    """Yield the path of every field that python-telegram-bot does not know."""
    if isinstance(obj, telegram.TelegramObject):
        for name in obj.api_kwargs:
            if name not in LEGACY | NEWER:
                yield f"{path}.{name}"
        for name in _slots(obj):
            yield from left_over_in_ptb(getattr(obj, name, None), f"{path}.{name}")
    elif isinstance(obj, list | tuple):
        for index, item in enumerate(obj):
            yield from left_over_in_ptb(item, f"{path}[{index}]")


def _slots(obj: telegram.TelegramObject) -> Iterable[str]:
    for kind in type(obj).__mro__:
        for name in getattr(kind, "__slots__", ()):
            if not name.startswith("_"):
                yield name


def left_over_in_aiogram(obj: object, path: str = "") -> Iterator[str]:
    """Yield the path of every field that aiogram does not know."""
    if isinstance(obj, pydantic.BaseModel):
        for name in obj.model_extra or {}:
            if name not in LEGACY:
                yield f"{path}.{name}"
        for name in type(obj).model_fields:
            yield from left_over_in_aiogram(getattr(obj, name), f"{path}.{name}")
    elif isinstance(obj, list | tuple):
        for index, item in enumerate(obj):
            yield from left_over_in_aiogram(item, f"{path}[{index}]")


def check_update(raw: dict[str, Any], bot: telegram.Bot) -> telegram.Update:
    """Read an update with both libraries and return PTB's view; nothing may be left over."""
    from aiogram.types import Update as AiogramUpdate

    update = telegram.Update.de_json(raw, bot)
    seen = AiogramUpdate.model_validate(raw)

    assert list(left_over_in_ptb(update, "update")) == []
    assert list(left_over_in_aiogram(seen, "update")) == []
    assert update.update_id == seen.update_id
    return update


def check_result(raw: dict[str, Any], model: type[Model], bot: "Aiogram") -> Model:
    """Read a result with aiogram; nothing may be left over."""
    seen = model.model_validate(raw, context={"bot": bot})

    assert list(left_over_in_aiogram(seen, model.__name__)) == []
    return seen
