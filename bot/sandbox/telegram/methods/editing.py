"""Methods that change or delete messages."""

from datetime import timedelta
from typing import Any, Final

from bot.sandbox.telegram.errors import NOT_MODIFIED, bad_request
from bot.sandbox.telegram.formatting import message_caption, message_text
from bot.sandbox.telegram.keyboards import parse_markup
from bot.sandbox.telegram.membership import bot_may
from bot.sandbox.telegram.messages import delete_message, mark_edited
from bot.sandbox.telegram.methods.method import Method, find_message, writable_chat
from bot.sandbox.telegram.model import ChatState, Message
from bot.sandbox.telegram.params import Params
from bot.sandbox.telegram.text import Formatted
from bot.sandbox.telegram.world import World

DELETABLE_FOR: Final = timedelta(hours=48)
"""Older messages stay (source: Bot API, "deleteMessage")."""


async def edit_text(world: World, params: Params) -> Any:
    """`editMessageText`. Without `reply_markup` the keyboard is removed."""
    body = message_text(params)
    message = _editable(world, params)
    if message.attachment is not None or message.body is None:
        raise bad_request("there is no text in the message to edit")
    preview = params.mapping("link_preview_options", "link preview options")
    return await _apply(world, message, body, parse_markup(params), preview)


async def edit_caption(world: World, params: Params) -> Any:
    """`editMessageCaption`. Without `reply_markup` the keyboard is removed."""
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
    mark_edited(world, world.chats[message.chat.id], message, by_bot=True)
    return message.json()


async def delete_one(world: World, params: Params) -> Any:
    """`deleteMessage`."""
    chat = writable_chat(world, params)
    message = find_message(chat, params, missing="message to delete not found")
    if not _is_deletable(world, chat, message):
        raise bad_request("message can't be deleted")
    delete_message(world, chat, message, by_bot=True)
    return True


async def delete_many(world: World, params: Params) -> Any:
    """`deleteMessages`: 1-100 ids; missing and undeletable messages are skipped."""
    chat = writable_chat(world, params)
    ids = params.identifiers("message_ids")
    if not ids:
        raise bad_request("message identifiers are not specified")
    if len(ids) > 100:
        raise bad_request("too many message identifiers specified")
    for message_id in ids:
        message = chat.find(message_id)
        if message is not None and _is_deletable(world, chat, message):
            delete_message(world, chat, message, by_bot=True)
    return True


def _is_deletable(world: World, chat: ChatState, message: Message) -> bool:
    if world.clock.now() - message.date > DELETABLE_FOR:
        return False
    own = message.sender is not None and message.sender.id == world.bot.id
    return own or chat.info.is_private or bot_may(world, chat, "can_delete_messages")


METHODS: Final[dict[str, Method]] = {
    "editMessageText": edit_text,
    "editMessageCaption": edit_caption,
    "editMessageReplyMarkup": edit_markup,
    "deleteMessage": delete_one,
    "deleteMessages": delete_many,
}
