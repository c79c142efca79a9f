"""The methods of the Bot API, by family. Each takes the world and the request's parameters."""

from typing import Final

from bot.sandbox.telegram.methods import (
    callbacks,
    chats,
    deletes,
    edits,
    files,
    forwards,
    profile,
    sends,
    server,
)
from bot.sandbox.telegram.methods.method import Described, Method

_FAMILIES: Final = (
    server.METHODS,
    profile.METHODS,
    sends.METHODS,
    forwards.METHODS,
    edits.METHODS,
    deletes.METHODS,
    files.METHODS,
    callbacks.METHODS,
    chats.METHODS,
)

METHODS: Final[dict[str, tuple[str, Method]]] = {
    name.lower(): (name, method) for family in _FAMILIES for name, method in family.items()
}
"""By lower-cased name, because names are not case-sensitive: the real spelling and the method."""

__all__ = ["METHODS", "Described", "Method"]
