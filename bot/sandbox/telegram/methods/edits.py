"""Methods that change a message of the bot."""

from typing import Any, Final

from bot.sandbox.telegram.errors import NOT_MODIFIED, bad_request
from bot.sandbox.telegram.formatting import message_caption, message_text
from bot.sandbox.telegram.keyboards import parse_markup
from bot.sandbox.telegram.messages import Message
from bot.sandbox.telegram.methods.method import Method
from bot.sandbox.telegram.params import Params
from bot.sandbox.telegram.targets import find_message, writable_chat
from bot.sandbox.telegram.text import Formatted
from bot.sandbox.telegram.world import World


async def edit_text(world: World, params: Params) -> Any:
    """`editMessageText`. Without `reply_markup` the keyboard goes."""
    body = message_text(params)
    message = _editable(world, params)
    if message.attachment is not None or message.body is None:
        raise bad_request("there is no text in the message to edit")
    preview = params.mapping("link_preview_options", "link preview options")
    return await _apply(world, message, body, parse_markup(params), preview)


async def edit_caption(world: World, params: Params) -> Any:
    """`editMessageCaption`. Without `reply_markup` the keyboard goes."""
    body = message_caption(params)
    message = _editable(world, params)
    if message.attachment is None:
        raise bad_request("there is no caption in the message to edit")
    return await _apply(world, message, body, parse_markup(params))


async def edit_markup(world: World, params: Params) -> Any:
    """`editMessageReplyMarkup`."""
    message = _editable(world, params)
    return await _apply(world, message, message.body, parse_markup(params))


def _editable(world: World, params: Params) -> Message:
    if params.text("inline_message_id"):
        raise bad_request("MESSAGE_ID_INVALID")
    chat = writable_chat(world, params)
    message = find_message(chat, params, missing="message to edit not found")
    if message.sender is None or message.sender.id != world.bot.id or message.service:
        raise bad_request("message can't be edited")
    return message


async def _apply(
    world: World,
    message: Message,
    body: Formatted | None,
    markup: dict[str, Any] | None,
    preview: dict[str, Any] | None = None,
) -> Any:
    await world.flood.admit(message.chat.id, edit=True)
    if message.deleted:  # held back, it may have gone meanwhile.
        raise bad_request("message to edit not found")
    if (body, markup) == (message.body, message.markup):
        raise bad_request(NOT_MODIFIED)
    message.body, message.markup, message.link_preview = body, markup, preview
    message.chat.edited(message, by_bot=True)
    return message.json()


METHODS: Final[dict[str, Method]] = {
    "editMessageText": edit_text,
    "editMessageCaption": edit_caption,
    "editMessageReplyMarkup": edit_markup,
}
