"""What happens to the bot in chats, and to groups."""

from telegram import Chat, Update

from bot.adapters.telegram.members import is_present
from bot.inbound.groups import GroupCommands, Membership
from bot.inbound.languages import LanguageCommands


class ChatHandlers:
    """Translates memberships and migrations."""

    def __init__(self, chats: GroupCommands, languages: LanguageCommands) -> None:
        self._chats = chats
        self._languages = languages

    async def membership(self, update: Update) -> None:
        """The bot came in or out; a change of its rights is neither."""
        change = update.my_chat_member
        if change is None:
            return
        was_in = is_present(change.old_chat_member)
        is_in = is_present(change.new_chat_member)
        if was_in == is_in:
            return
        user = change.from_user
        await self._chats.membership(
            Membership(
                update=update.update_id,
                chat_id=change.chat.id,
                is_in=is_in,
                language=await self._languages.of(user.id, user.language_code or ""),
                can_tell=change.chat.type != Chat.CHANNEL,
            )
        )

    async def migration(self, update: Update) -> None:
        """A group became a supergroup; both of them say so."""
        message = update.message
        if message is None:
            return
        here = message.chat.id
        if message.migrate_to_chat_id is not None:
            await self._chats.moved(here, message.migrate_to_chat_id)
        elif message.migrate_from_chat_id is not None:
            await self._chats.moved(message.migrate_from_chat_id, here)
