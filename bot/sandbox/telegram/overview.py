"""What surrounds the messages: people, chats, topics, registered commands, switches, as JSON."""

from dataclasses import asdict
from typing import Any, Final

from bot.sandbox.shaping import Bandwidth
from bot.sandbox.telegram.model import ChatState, Message
from bot.sandbox.telegram.users import User
from bot.sandbox.telegram.world import World

CHIEFS: Final = frozenset({"creator", "administrator"})
"""Statuses of administrators."""


def people_of(world: World) -> list[dict[str, Any]]:
    """Return the people, without bots, in the order in which they were added. `role` is what the
    person is to the bot, `None` if that is not known here.
    """
    return [
        {
            "id": user.id,
            "name": user.name,
            "username": user.username,
            "language_code": user.language_code,
            "role": world.roles.get(user.id),
        }
        for user in world.users.values()
        if not user.is_bot
    ]


def chats_of(world: World) -> list[dict[str, Any]]:
    """Return the groups, channels and private chats, in the order in which they were added."""
    return [_chat(world, chat) for chat in world.chats.values()]


def _chat(world: World, chat: ChatState) -> dict[str, Any]:
    members = [user.id for user in world.users.values() if chat.roster.is_present(user)]
    return {
        "id": chat.info.id,
        "type": chat.info.type,
        "title": chat.info.title,
        "is_forum": chat.info.is_forum,
        "topics": [_topic(chat, thread_id, first) for thread_id, first in chat.topics.items()],
        "members": members,
    }


def _topic(chat: ChatState, thread_id: int, first: Message) -> dict[str, Any]:
    name = first.service["forum_topic_created"]["name"]
    return {"thread_id": thread_id, "name": name, "closed": thread_id in chat.closed_topics}


def switches_of(world: World, bandwidth: Bandwidth) -> dict[str, Any]:
    """Return flood control with its count, and the shape of the lines."""
    flood = {"mode": world.flood.mode.value, "hits": world.flood.hits}
    return {"flood": flood, "shape": asdict(bandwidth.shape)}


def commands_for(world: World, chat: ChatState, user: User) -> list[dict[str, str]]:
    """Return the commands that the app of a person offers in a chat.

    The first list of the most special scope wins, in the person's language before the one without
    a language (source: Bot API, "Determining list of commands").
    """
    for scope in _scopes(chat, user):
        for language in (user.language_code or "", ""):
            if commands := world.profile.commands.get((scope, language)):
                return commands
    return []


def _scopes(chat: ChatState, user: User) -> list[str]:
    if chat.info.is_private:
        return [f"chat:{chat.info.id}", "all_private_chats", "default"]
    is_chief = chat.roster.status(user) in CHIEFS
    return [
        f"chat_member:{chat.info.id}:{user.id}",
        *([f"chat_administrators:{chat.info.id}"] if is_chief else []),
        f"chat:{chat.info.id}",
        *(["all_chat_administrators"] if is_chief else []),
        "all_group_chats",
        "default",
    ]
