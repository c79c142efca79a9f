"""An oracle from Telegram's own documentation: the Bot API as a JSON schema.

The file is no part of this project; it is generated from the public documentation by
PaulSonOfLars/telegram-bot-api-spec (`api.json`). `BOT_API_SCHEMA` names it.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.sandbox.telegram.oracles import LEGACY, NEWER

VARIABLE: Final = "BOT_API_SCHEMA"
SIMPLE: Final[dict[str, type | tuple[type, ...]]] = {
    "Integer": int,
    "String": str,
    "Boolean": bool,
    "Float": (int, float),
}


def is_there() -> bool:
    """Return whether there is a schema."""
    return bool(os.environ.get(VARIABLE))


def load() -> "Schema":
    """Return the schema, or skip the test when there is none."""
    path = os.environ.get(VARIABLE)
    if not path:
        pytest.skip(f"{VARIABLE} names no schema of the Bot API")
    return Schema(json.loads(Path(path).read_text()))


class Schema:
    """Finds what is wrong with a value of a type that the documentation describes."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.methods: dict[str, Any] = raw["methods"]
        self.types: dict[str, Any] = raw["types"]

    def faults(self, value: Any, kinds: list[str], path: str) -> list[str]:
        """Return what is wrong with `value`; it must be of one of `kinds`."""
        found = [list(self._faults(value, kind, path)) for kind in kinds]
        return min(found, key=len)

    def _faults(self, value: Any, kind: str, path: str) -> Iterator[str]:
        if kind.startswith("Array of "):
            yield from self._array(value, kind.removeprefix("Array of "), path)
        elif kind in SIMPLE:
            if not isinstance(value, SIMPLE[kind]):
                yield f"{path} is no {kind}"
        elif self.types[kind].get("subtypes"):
            yield from self.faults(value, self.types[kind]["subtypes"], path)
        else:
            yield from self._object(value, kind, path)

    def _array(self, value: Any, kind: str, path: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield f"{path} is no array"
            return
        for index, item in enumerate(value):
            yield from self._faults(item, kind, f"{path}[{index}]")

    def _object(self, value: Any, kind: str, path: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{path} is no {kind}"
            return
        fields = {field["name"]: field for field in self.types[kind].get("fields", [])}
        for name, field in fields.items():
            if name in value:
                yield from self.faults(value[name], field["types"], f"{path}.{name}")
            elif field["required"]:
                yield f"{path}.{name} is missing"
        for name in value.keys() - fields.keys() - LEGACY - NEWER:
            yield f"{path}.{name} is unknown"
