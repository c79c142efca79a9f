"""Who may do what. Closed by default: whoever is not named has no rights."""

from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import Enum

from bot.core.jobs import Origin
from bot.core.ports.chats import ChatLedger

STRANGER_EVERY = timedelta(hours=1)
MOST_STRANGERS = 10_000


class Admission(Enum):
    """What becomes of somebody who asks for something."""

    WELCOME = "welcome"
    STRANGER = "stranger"
    """A person whom nobody has named, in private."""
    FOREIGN_GROUP = "foreign_group"
    """A group that nobody has named, whoever asks in it."""
    BANNED = "banned"
    """Gets no answer at all."""


class Access:
    """Rights by numeric id; names change hands and mean nothing.

    A private chat is open to the users and admins of the settings and to whom an admin allowed, a
    group to all its members if the settings or an admin named it, or the group it was before it
    became a supergroup. The admins of the settings cannot be banned.
    """

    def __init__(
        self,
        chats: ChatLedger,
        *,
        users: Iterable[int],
        admins: Iterable[int],
        groups: Iterable[int] = (),
    ) -> None:
        self._chats = chats
        self._admins = frozenset(admins)
        self._users = frozenset(users) | self._admins
        self._groups = frozenset(groups)
        # Bounded, so that a crowd of strangers costs no memory; whoever is forgotten is told once
        # more.
        self._told: OrderedDict[int, datetime] = OrderedDict()

    async def admit(self, origin: Origin) -> Admission:
        """Say whether somebody may use the bot where they are."""
        if await self.is_banned(origin.owner_id):
            return Admission.BANNED
        if origin.is_private:
            may_use = await self.may_use(origin.owner_id)
            return Admission.WELCOME if may_use else Admission.STRANGER
        may_serve = await self.may_serve(origin.chat_id)
        return Admission.WELCOME if may_serve else Admission.FOREIGN_GROUP

    async def may_use(self, user_id: int) -> bool:
        """Whether this user may send files in private; says nothing of a ban."""
        return user_id in self._users or (await self._chats.owner(user_id)).allowed

    async def may_serve(self, group_id: int) -> bool:
        """Whether the bot may be in this group at all. The word of an admin outweighs the
        settings.
        """
        said = (await self._chats.chat(group_id)).allowed
        if said is not None:
            return said
        return not self._groups.isdisjoint(await self._chats.previous_ids(group_id))

    async def is_banned(self, owner_id: int) -> bool:
        """Whether an admin has shut somebody out."""
        return owner_id not in self._admins and (await self._chats.owner(owner_id)).banned

    def is_admin(self, user_id: int) -> bool:
        """Whether this user may act on what belongs to others."""
        return user_id in self._admins

    def should_tell_stranger(self, id_: int, now: datetime) -> bool:
        """Whether a stranger, or a foreign group, gets the polite line now: at most once an hour
        each.
        """
        told = self._told.get(id_)
        if told is not None and now - told < STRANGER_EVERY:
            return False
        self._told[id_] = now
        self._told.move_to_end(id_)
        if len(self._told) > MOST_STRANGERS:
            self._told.popitem(last=False)
        return True
