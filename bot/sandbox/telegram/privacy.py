"""Privacy mode: which messages of a group the bot gets.

Source: core.telegram.org/bots/features, "Privacy mode", and bots/faq, "What messages will my bot
get?". The server's source does not contain it, so doubtful cases are settings.
"""

from dataclasses import dataclass

from bot.sandbox.telegram.model import Message
from bot.sandbox.telegram.text import Entity, Formatted, utf16_slice
from bot.sandbox.telegram.users import User


@dataclass
class Privacy:
    """`reads_all` is the setting at BotFather (privacy off); a group keeps the value that held
    when the bot came in. Doubtful: whether commands in captions and plain mentions arrive.
    """

    reads_all: bool = False
    caption_commands: bool = True
    mentions: bool = False

    def shows(self, message: Message, bot: User, last_bot: int | None) -> bool:
        """Return whether a bot that is no administrator sees a person's message.

        `last_bot` is the id of the bot that wrote last in the group.
        """
        if message.service or _replies_to(message, bot):
            return True
        if message.body is None or (message.attachment and not self.caption_commands):
            return False
        return any(
            self._is_meant(entity, message.body, bot, last_bot) for entity in message.body.entities
        )

    def _is_meant(self, entity: Entity, body: Formatted, bot: User, last_bot: int | None) -> bool:
        said = utf16_slice(body.text, entity["offset"], entity["length"]).lower()
        name = f"@{(bot.username or '').lower()}"
        if entity["type"] == "mention":
            return self.mentions and said == name
        if entity["type"] != "bot_command":
            return False
        if "@" in said:
            return said.endswith(name)
        return entity["offset"] == 0 and last_bot == bot.id


def _replies_to(message: Message, bot: User) -> bool:
    reply = message.reply_to
    return reply is not None and reply.sender is not None and reply.sender.id == bot.id
