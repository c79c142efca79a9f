"""Who may do what. Closed by default: whoever is not named has no rights."""

from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime, timedelta

STRANGER_EVERY = timedelta(hours=1)
MOST_STRANGERS = 10_000


class Access:
    """Rights by user id; names change hands and mean nothing."""

    def __init__(self, *, users: Iterable[int], admins: Iterable[int]) -> None:
        self._admins = frozenset(admins)
        self._users = frozenset(users) | self._admins
        # Bounded, so that a crowd of strangers costs no memory; whoever is forgotten is told once
        # more.
        self._told: OrderedDict[int, datetime] = OrderedDict()

    def may_use(self, user_id: int) -> bool:
        """Whether this user may send files and ask for their status."""
        return user_id in self._users

    def is_admin(self, user_id: int) -> bool:
        """Whether this user may act on what belongs to others."""
        return user_id in self._admins

    def should_tell_stranger(self, user_id: int, now: datetime) -> bool:
        """Whether a stranger gets the polite line now: at most once an hour each."""
        told = self._told.get(user_id)
        if told is not None and now - told < STRANGER_EVERY:
            return False
        self._told[user_id] = now
        self._told.move_to_end(user_id)
        if len(self._told) > MOST_STRANGERS:
            self._told.popitem(last=False)
        return True
