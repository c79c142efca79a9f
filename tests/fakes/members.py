"""Groups in memory: who looks after them, and what the bot sees of them."""

from dataclasses import dataclass, field

from bot.core.ports.chat import GroupVisibility


@dataclass
class FakeMembers:
    """Fulfils the `Members` port. `admins` are pairs of group and person; a group without a sight
    is one that the bot is not in. Each of `troubles` is raised by one call, in order.
    """

    admins: set[tuple[int, int]] = field(default_factory=set)
    sights: dict[int, GroupVisibility] = field(default_factory=dict)
    troubles: list[Exception] = field(default_factory=list)
    asked: list[tuple[str, int]] = field(default_factory=list)
    """Every call and its group, in order."""

    async def is_admin(self, chat_id: int, user_id: int) -> bool:
        """Return whether a user is an admin of a group."""
        self._enter("is_admin", chat_id)
        return (chat_id, user_id) in self.admins

    async def sight(self, chat_id: int) -> GroupVisibility:
        """Return what the bot sees of a group."""
        self._enter("sight", chat_id)
        return self.sights.get(chat_id, GroupVisibility(is_here=False))

    async def leave(self, chat_id: int) -> None:
        """Leave a group."""
        self._enter("leave", chat_id)
        self.sights.pop(chat_id, None)

    def _enter(self, call: str, chat_id: int) -> None:
        self.asked.append((call, chat_id))
        if self.troubles:
            raise self.troubles.pop(0)
