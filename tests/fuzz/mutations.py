"""Seeded mutations of updates and answers: one place is dropped, nulled, or set to another value.

Nothing here knows the bot; what it owes to each mutation follows from the ids that survive.
"""

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from operator import getitem
from random import Random
from typing import Any, Final

from tests.fuzz.samples import FILES, UPDATES, Ids, Json

Path = tuple[str | int, ...]

DROPPED: Final = object()
"""In place of a value: the key is not there at all."""

_VALUES: Final[tuple[Any, ...]] = (
    None, DROPPED, 0, -1, 5, 2**31, 2**63, 10**30, 1.5, True, "", "x", "x" * 5_000,
    [], [None], [1], {}, {"x": 1},
)  # fmt: skip
"""What a value can become; each is of another type, or out of range, somewhere."""

_CONTENT: Final = (
    "document", "photo", "video", "audio", "voice", "video_note", "animation", "sticker",
)  # fmt: skip


class Duty(StrEnum):
    """What the bot owes to an update."""

    LINK = "a link"
    TOLD = "a row or a sentence"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Survivors:
    """Which ids of a message are as they were: who wrote where, which message, which files."""

    chat: bool
    message: bool
    files: bool

    @property
    def are_all(self) -> bool:
        """Return whether nothing that is needed to answer was changed."""
        return self.chat and self.message and self.files


@dataclass(frozen=True, slots=True)
class Change:
    """One place in a JSON document, and its new value."""

    path: Path
    value: Any

    def __str__(self) -> str:
        """Return both, short enough for a line of a report."""
        value = "dropped" if self.value is DROPPED else json.dumps(self.value)[:40]
        return f"{'.'.join(map(str, self.path))} -> {value}"

    def apply(self, document: Json) -> Json:
        """Return a changed copy."""
        copy: Any = deepcopy(document)
        inner = _at(copy, self.path[:-1])
        if self.value is DROPPED:
            del inner[self.path[-1]]
        else:
            inner[self.path[-1]] = deepcopy(self.value)
        return dict(copy)

    def fault_args(self) -> dict[str, str | int | float]:
        """Return the arguments of `Effect.CHANGED`."""
        args: dict[str, str | int | float] = {"path": json.dumps(self.path)}
        return args if self.value is DROPPED else {**args, "value": json.dumps(self.value)}


@dataclass(frozen=True, slots=True)
class Mutation:
    """A change of an update of the kind `sample`."""

    sample: str
    change: Change

    def __str__(self) -> str:
        """Return kind and change."""
        return f"{self.sample}: {self.change}"

    def update(self, ids: Ids) -> Json:
        """Return the changed update, without an `update_id`."""
        return self.change.apply(UPDATES[self.sample](ids))

    def survivors(self, ids: Ids) -> Survivors:
        """Return which ids survive."""
        before, after = _ids(UPDATES[self.sample](ids)), _ids(self.update(ids))
        return Survivors(**{name: before[name] == after[name] for name in before})

    def duty(self, ids: Ids) -> Duty:
        """Return what the bot owes to the update."""
        message = self.update(ids).get("message")
        if self.sample not in FILES or message is None:
            return Duty.NOTHING
        if isinstance(message, dict) and not (_has_content(message) and _is_human(message)):
            # Nothing tells it from a service message of a later Bot API, or from that of a bot.
            return Duty.NOTHING
        is_intact = self.survivors(ids).are_all and self.change.path[-1] != "file_size"
        return Duty.LINK if is_intact else Duty.TOLD


def mutations(seed: int) -> Iterator[Mutation]:
    """Yield mutations of updates without end; the same for the same seed."""
    random = Random(seed)  # noqa: S311 (to be repeated, not to be guessed.)
    names = list(UPDATES)
    while True:
        name = random.choice(names)
        yield Mutation(name, _change(random, UPDATES[name](Ids())))


def answer_changes(seed: int, results: Mapping[str, Any]) -> Iterator[tuple[str, Change]]:
    """Yield methods with changes of their whole answers without end, as `mutations` does.

    `results` maps methods to results; all of them take turns.
    """
    random = Random(seed)  # noqa: S311 (to be repeated, not to be guessed.)
    while True:
        for method, result in results.items():
            yield method, _change(random, {"ok": True, "result": result})


def _change(random: Random, document: Json) -> Change:
    path = random.choice(list(_paths(document)))
    before = json.dumps(_at(document, path))
    others = [it for it in _VALUES if it is DROPPED or json.dumps(it) != before]
    return Change(path, random.choice(others))


def _at(document: Any, path: Path) -> Any:
    return reduce(getitem, path, document)


def _paths(value: Any, above: Path = ()) -> Iterator[Path]:
    """Yield the places of all values inside a document."""
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, inner in items:
        yield (*above, key)
        yield from _paths(inner, (*above, key))


def _has_content(message: Json) -> bool:
    return any(message.get(kind) is not None for kind in _CONTENT)


def _is_human(message: Json) -> bool:
    return not _of(message.get("from"), "is_bot")


def _ids(update: Json) -> dict[str, str]:
    """Return the ids of a message, with their types, by what they name."""
    message = update.get("message")
    if not isinstance(message, dict):
        return dict.fromkeys(("chat", "message", "files"), "")
    chat, sender = message.get("chat"), message.get("from")
    who = [_of(chat, "id"), _of(chat, "type"), _of(sender, "id"), _of(sender, "is_bot")]
    return {
        "chat": repr(who),
        "message": repr(message.get("message_id")),
        "files": repr([list(_file_ids(message.get(kind))) for kind in _CONTENT]),
    }


def _of(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _file_ids(value: Any) -> Iterator[tuple[Any, Any]]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict):
            yield item.get("file_id"), item.get("file_unique_id")
