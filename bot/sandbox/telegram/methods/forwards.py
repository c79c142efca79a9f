"""Methods that show a message once more: forwarded with its origin, or copied without."""

from typing import Any, Final

from bot.sandbox.telegram.errors import bad_request
from bot.sandbox.telegram.formatting import message_caption
from bot.sandbox.telegram.keyboards import parse_markup
from bot.sandbox.telegram.messages import Message
from bot.sandbox.telegram.methods.method import Method
from bot.sandbox.telegram.origins import origin_of
from bot.sandbox.telegram.params import Params
from bot.sandbox.telegram.targets import find_chat, find_message, place
from bot.sandbox.telegram.world import World


async def forward_message(world: World, params: Params) -> Any:
    """`forwardMessage`."""
    target = place(world, params)
    source = _source(world, params, "message to forward not found")
    if source.protected:
        raise bad_request("message can't be forwarded")
    message = _again(source, target.chat.world)
    message.chat, message.thread_id = target.chat, target.thread_id
    message.is_topic = target.is_topic
    message.origin = origin_of(source)
    message.silent = params.flag("disable_notification")
    return await _deliver(world, message)


async def copy_message(world: World, params: Params) -> Any:
    """`copyMessage`: the same content from the bot, with another caption if wanted."""
    target = place(world, params)
    source = _source(world, params, "message to copy not found")
    message = _again(source, target.chat.world)
    message.chat, message.thread_id = target.chat, target.thread_id
    message.is_topic, message.reply_to = target.is_topic, target.reply_to
    message.markup = parse_markup(params)
    message.silent = params.flag("disable_notification")
    if message.attachment is not None and "caption" in params.values:
        message.body = message_caption(params)
    return {"message_id": (await _deliver(world, message))["message_id"]}


def _source(world: World, params: Params, missing: str) -> Message:
    return find_message(find_chat(world, params, "from_chat_id"), params, missing=missing)


def _again(source: Message, world: World) -> Message:
    message = Message(source.chat, 0, world.clock.now(), world.bot)
    message.body, message.attachment = source.body, source.attachment
    message.service = dict(source.service)
    return message


async def _deliver(world: World, message: Message) -> dict[str, Any]:
    await world.flood.admit(message.chat.id, edit=False)
    message.chat.require_writable()
    message.id, message.date = message.chat.take_message_id(), world.clock.now()
    message.chat.place(message, by_bot=True)
    return message.json()


METHODS: Final[dict[str, Method]] = {
    "forwardMessage": forward_message,
    "copyMessage": copy_message,
}
