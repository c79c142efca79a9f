"""Methods of the Bot API: functions of the world and the parameters of a request."""

from typing import Final

from bot.sandbox.telegram.methods import chats, editing, profile, receiving, sending
from bot.sandbox.telegram.methods.method import Described, Method

_FAMILIES: Final = (
    receiving.METHODS,
    profile.METHODS,
    sending.METHODS,
    editing.METHODS,
    chats.METHODS,
)

METHODS: Final[dict[str, tuple[str, Method]]] = {
    name.lower(): (name, method) for family in _FAMILIES for name, method in family.items()
}
"""By lower-cased name, because names are not case-sensitive: the real spelling and the method."""

__all__ = ["METHODS", "Described", "Method"]
