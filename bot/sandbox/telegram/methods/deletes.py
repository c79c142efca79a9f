"""Methods that remove messages."""

from datetime import timedelta
from typing import Any, Final

from bot.sandbox.telegram.chats import Chat
from bot.sandbox.telegram.errors import bad_request
from bot.sandbox.telegram.messages import Message
from bot.sandbox.telegram.methods.method import Method
from bot.sandbox.telegram.params import Params
from bot.sandbox.telegram.targets import find_message, writable_chat
from bot.sandbox.telegram.world import World

DELETABLE_FOR: Final = timedelta(hours=48)
"""Older messages stay (source: Bot API, "deleteMessage")."""


async def delete_message(world: World, params: Params) -> Any:
    """`deleteMessage`."""
    chat = writable_chat(world, params)
    message = find_message(chat, params, missing="message to delete not found")
    if not _is_deletable(world, chat, message):
        raise bad_request("message can't be deleted")
    chat.remove(message, by_bot=True)
    return True


async def delete_messages(world: World, params: Params) -> Any:
    """`deleteMessages`: 1-100 ids; what is not there or may not be deleted is skipped."""
    chat = writable_chat(world, params)
    ids = params.identifiers("message_ids")
    if not ids:
        raise bad_request("message identifiers are not specified")
    if len(ids) > 100:
        raise bad_request("too many message identifiers specified")
    for message_id in ids:
        message = chat.find(message_id)
        if message is not None and _is_deletable(world, chat, message):
            chat.remove(message, by_bot=True)
    return True


def _is_deletable(world: World, chat: Chat, message: Message) -> bool:
    if world.clock.now() - message.date > DELETABLE_FOR:
        return False
    own = message.sender is not None and message.sender.id == world.bot.id
    return own or chat.is_private or chat.bot_may("can_delete_messages")


METHODS: Final[dict[str, Method]] = {
    "deleteMessage": delete_message,
    "deleteMessages": delete_messages,
}
