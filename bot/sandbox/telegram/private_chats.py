"""The chat of one person with the bot."""

from typing import TYPE_CHECKING, Any

from bot.sandbox.telegram.chats import Chat
from bot.sandbox.telegram.errors import forbidden
from bot.sandbox.telegram.users import User

if TYPE_CHECKING:
    from bot.sandbox.telegram.world import World


class PrivateChat(Chat):
    """A chat whose id is the person's."""

    def __init__(self, world: "World", user: User) -> None:
        super().__init__(world, user.id)
        self.user = user
        self.username = user.username

    def header(self) -> dict[str, Any]:
        """Return the `Chat` object that messages carry."""
        names = ("id", "first_name", "last_name", "username")
        fields = {name: value for name, value in self.user.json().items() if name in names}
        return {**fields, "type": "private"}

    async def block(self) -> None:
        """Let the person block the bot."""
        self.refusal = forbidden("bot was blocked by the user")
        await self._changed("member", "kicked")

    async def unblock(self) -> None:
        """Let the person start the bot again."""
        self.refusal = None
        await self._changed("kicked", "member")

    def deactivate(self) -> None:
        """Let the person's account be deleted."""
        self.refusal = forbidden("user is deactivated")

    async def _changed(self, old: str, new: str) -> None:
        self.tell_membership(self.user, self._bot_as(old), self._bot_as(new))
        await self.world.touch()

    def _bot_as(self, status: str) -> dict[str, Any]:
        until = {"until_date": 0} if status == "kicked" else {}
        return {"user": self.world.bot.json(), "status": status, **until}
