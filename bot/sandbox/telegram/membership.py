"""Status and rights of the bot and others in a chat, and the updates about changes."""

from typing import Any, Final

from bot.sandbox.telegram.errors import TOPIC_CLOSED, ApiError, bad_request, forbidden
from bot.sandbox.telegram.model import GENERAL, ChatState
from bot.sandbox.telegram.users import User
from bot.sandbox.telegram.world import World

GIFTS: Final = (
    "unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription",
    "gifts_from_channels",
)  # fmt: skip


def check_writable(world: World, chat: ChatState) -> None:
    """Check that the bot may write in a chat.

    Raises:
        ApiError: it may not.
    """
    refusal = chat.refusal or _membership_refusal(world, chat)
    if refusal is not None:
        raise refusal


def _membership_refusal(world: World, chat: ChatState) -> ApiError | None:
    if chat.info.is_private:
        return None
    status = chat.roster.status(world.bot)
    if status == "kicked":
        return forbidden(f"bot was kicked from the {chat.info.label}")
    if not chat.roster.is_present(world.bot):
        return forbidden(f"bot is not a member of the {chat.info.label}")
    is_restricted = status == "restricted" and not chat.roster.may_send(world.bot)
    if is_restricted or (chat.is_muted and status not in {"administrator", "creator"}):
        return bad_request("not enough rights to send text messages to the chat")
    return None


def has_topic(chat: ChatState, thread_id: int) -> bool:
    """Return whether a forum has this topic.

    Raises:
        ApiError: it has, and the topic is closed.
    """
    if thread_id in chat.closed_topics:
        raise bad_request(TOPIC_CLOSED)
    return thread_id in chat.topics


def is_general_closed(chat: ChatState) -> bool:
    """Return whether messages without a topic are refused in a forum."""
    return chat.info.is_forum and GENERAL in chat.closed_topics


def chat_details(chat: ChatState) -> dict[str, Any]:
    """Return the fields of `getChat` beyond those of `Chat`."""
    reactions = {"max_reaction_count": 11, "accent_color_id": chat.info.id % 7}
    gifts: dict[str, bool] = dict.fromkeys(GIFTS, False)
    return {**reactions, "accepted_gift_types": gifts}


def member_json(world: World, chat: ChatState, user: User) -> dict[str, Any]:
    """Return a `ChatMember`."""
    if not chat.info.is_private:
        return chat.roster.json(user)
    status = "member" if user.id in {chat.info.id, world.bot.id} else "left"
    return {"user": user.json(), "status": status}


def member_count(chat: ChatState) -> int:
    """Return the number of members of a group; of other chats, 2."""
    return len(chat.roster) if chat.info.type in {"group", "supergroup"} else 2


def administrators(world: World, chat: ChatState) -> list[dict[str, Any]]:
    """Return the `ChatMember` of every administrator of a group, without other bots."""
    if chat.info.type not in {"group", "supergroup"}:
        return []
    return [
        member
        for member in chat.roster.administrators()
        if not member["user"]["is_bot"] or member["user"]["id"] == world.bot.id
    ]


def bot_may(world: World, chat: ChatState, right: str) -> bool:
    """Return whether the bot is an administrator of a group with this right."""
    is_group = chat.info.type in {"group", "supergroup"}
    return is_group and chat.roster.may(world.bot, right)


def set_bot_status(
    world: World, chat: ChatState, by: User, status: str, rights: frozenset[str] | None = None
) -> None:
    """Change the bot's status in a group or channel and make the update (`my_chat_member`)."""
    before = chat.roster.json(world.bot)
    chat.roster.put(world.bot, status, rights)
    tell_membership(world, chat, by, before, chat.roster.json(world.bot))


def remove_bot(world: World, chat: ChatState) -> None:
    """Let the bot leave.

    Raises:
        ApiError: the chat is private.
    """
    if chat.info.is_private:
        raise bad_request("chat member status can't be changed in private chats")
    set_bot_status(world, chat, world.bot, "left")


def tell_membership(
    world: World,
    chat: ChatState,
    by: User,
    old: dict[str, Any],
    new: dict[str, Any],
    kind: str = "my_chat_member",
) -> None:
    """Make the update for a change of the status of the bot (or another member)."""
    now = world.clock.now()
    change = {
        "chat": chat.info.json(),
        "from": by.json(),
        "date": int(now.timestamp()),
        "old_chat_member": old,
        "new_chat_member": new,
    }
    world.emit(kind, change, chat_id=chat.info.id, date=now)
