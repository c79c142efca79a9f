"""Methods about a chat and its members, reactions and pins."""

from typing import Any, Final

from bot.sandbox.telegram.errors import bad_request
from bot.sandbox.telegram.membership import (
    administrators,
    chat_details,
    check_writable,
    member_count,
    member_json,
    remove_bot,
)
from bot.sandbox.telegram.messages import redraw
from bot.sandbox.telegram.methods.method import Method, find_chat, find_message, writable_chat
from bot.sandbox.telegram.params import Params
from bot.sandbox.telegram.world import World

_EMOJI: Final = """
👍 👎 ❤ 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌
🕊 🤡 🥱 🥴 😍 🐳 ❤‍🔥 🌚 🌭 💯 🤣 ⚡ 🍌 🏆 💔 🤨 😐 🍓
🍾 💋 🖕 😈 😴 😭 🤓 👻 👨‍💻 👀 🎃 🙈 😇 😨 🤝 ✍ 🤗 🫡
🎅 🎄 ☃ 💅 🤪 🗿 🆒 💘 🙉 🦄 😘 💊 🙊 😎 👾 🤷‍♂ 🤷 🤷‍♀
😡
"""
REACTIONS: Final = frozenset(_EMOJI.split())
"""The emoji that a reaction can be (source: Bot API, "ReactionTypeEmoji")."""


async def get_chat(world: World, params: Params) -> Any:
    """`getChat`."""
    chat = find_chat(world, params)
    return {**chat.info.json(), **chat_details(chat)}


async def get_chat_member(world: World, params: Params) -> Any:
    """`getChatMember`."""
    chat = find_chat(world, params)
    user = world.users.get(params.integer("user_id"))
    if user is None:
        raise bad_request("invalid user_id specified")
    return member_json(world, chat, user)


async def get_chat_member_count(world: World, params: Params) -> Any:
    """`getChatMemberCount`."""
    return member_count(find_chat(world, params))


async def get_chat_administrators(world: World, params: Params) -> Any:
    """`getChatAdministrators`: without other bots."""
    chat = find_chat(world, params)
    if chat.info.is_private:
        raise bad_request("there are no administrators in the private chat")
    return administrators(world, chat)


async def leave_chat(world: World, params: Params) -> Any:
    """`leaveChat`."""
    chat = find_chat(world, params)
    check_writable(world, chat)
    remove_bot(world, chat)
    return True


async def set_message_reaction(world: World, params: Params) -> Any:
    """`setMessageReaction`: at most one, of the known emoji."""
    chat = writable_chat(world, params)
    message = find_message(chat, params, missing="message to react not found")
    reactions = params.items("reaction", "reaction types")
    if len(reactions) > 1 or any(not _is_reaction(item) for item in reactions):
        raise bad_request("REACTION_INVALID")
    message.reactions = reactions
    redraw(world, chat, message)
    return True


async def pin_chat_message(world: World, params: Params) -> Any:
    """`pinChatMessage`."""
    chat = writable_chat(world, params)
    message = find_message(chat, params, missing="message to pin not found")
    if message.id not in chat.pinned:
        chat.pinned.append(message.id)
    return True


async def unpin_chat_message(world: World, params: Params) -> Any:
    """`unpinChatMessage`; without an id, the one that was pinned last."""
    chat = writable_chat(world, params)
    message_id = params.integer("message_id") or (chat.pinned[-1] if chat.pinned else 0)
    if message_id not in chat.pinned:
        raise bad_request("message to unpin not found")
    chat.pinned.remove(message_id)
    return True


def _is_reaction(item: Any) -> bool:
    return (
        isinstance(item, dict) and item.get("type") == "emoji" and item.get("emoji") in REACTIONS
    )


METHODS: Final[dict[str, Method]] = {
    "getChat": get_chat,
    "getChatMember": get_chat_member,
    "getChatMemberCount": get_chat_member_count,
    "getChatAdministrators": get_chat_administrators,
    "leaveChat": leave_chat,
    "setMessageReaction": set_message_reaction,
    "pinChatMessage": pin_chat_message,
    "unpinChatMessage": unpin_chat_message,
}
