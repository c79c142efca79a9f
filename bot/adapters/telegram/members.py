"""Who is what in a group, asked from Telegram."""

from typing import Final

from telegram import Bot, ChatMember, ChatMemberRestricted
from telegram.constants import ChatMemberStatus

from bot.adapters.telegram.errors import chat_errors
from bot.core.errors import ChatGone
from bot.core.ports.members import GroupVisibility

_CHIEFS: Final = frozenset({ChatMemberStatus.OWNER, ChatMemberStatus.ADMINISTRATOR})
_ABSENT: Final = frozenset({ChatMemberStatus.LEFT, ChatMemberStatus.BANNED})


class TelegramMembers:
    """Fulfils the `Members` port through `getChatMember`, `getMe` and `leaveChat`.

    The answers are not kept: rights change without the bot being told, and nobody asks often.
    """

    def __init__(self, bot: Bot) -> None:
        self._bot = bot

    async def is_admin(self, chat_id: int, user_id: int) -> bool:
        """Return whether a person looks after a group. Raises what the port says."""
        with chat_errors():
            member = await self._bot.get_chat_member(chat_id, user_id)
        return member.status in _CHIEFS

    async def sight(self, chat_id: int) -> GroupVisibility:
        """Return what the bot sees of a group. Raises what the port says.

        Whether privacy mode is on is the setting of this moment; a group keeps the one that held
        when the bot came in (source: core.telegram.org/bots/features, "Privacy mode"), and nothing
        tells that one.
        """
        try:
            with chat_errors():
                own = await self._bot.get_chat_member(chat_id, self._bot.id)
                if not is_present(own):
                    return GroupVisibility(is_here=False)
                if own.status in _CHIEFS:
                    return GroupVisibility(is_here=True, sees_files=True)
                me = await self._bot.get_me()
        except ChatGone:
            return GroupVisibility(is_here=False)
        return GroupVisibility(is_here=True, sees_files=bool(me.can_read_all_group_messages))

    async def leave(self, chat_id: int) -> None:
        """Leave a group. Raises what the port says, never `ChatGone`."""
        try:
            with chat_errors():
                await self._bot.leave_chat(chat_id)
        except ChatGone:
            return


def is_present(member: ChatMember) -> bool:
    """Return whether somebody is in the chat."""
    if isinstance(member, ChatMemberRestricted):
        return member.is_member
    return member.status not in _ABSENT
