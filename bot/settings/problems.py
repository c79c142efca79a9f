"""Messages for invalid settings: one line per mistake, which names the key and the allowed
values.
"""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from bot.settings.types import Allowed, Contradiction

LONGEST_SHOWN: Final = 60
"""Characters of a bad value that a message repeats."""


class SettingsError(Exception):
    """The settings cannot be used. `problems` has one line per mistake and never a secret."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def walk(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """Yield the dotted key and the description of every setting, in the order of definition."""
    for section, outer in model.model_fields.items():
        inner = outer.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            for key, info in inner.model_fields.items():
                yield f"{section}.{key}", info


def allowed_of(info: FieldInfo) -> Allowed:
    """Return the description of a setting's allowed values.

    Raises:
        LookupError: it has none; a test checks all of them.
    """
    for item in _metadata(info):
        if isinstance(item, Allowed):
            return item
    raise LookupError("this setting has no description of its allowed values")


def _metadata(info: FieldInfo) -> Iterator[Any]:
    yield from info.metadata
    # An optional setting has its description inside: `Annotated[str, …] | None`.
    for argument in getattr(info.annotation, "__args__", ()):
        yield from getattr(argument, "__metadata__", ())


def explain(
    error: ValidationError, model: type[BaseModel], origins: Mapping[str, str]
) -> list[str]:
    """Return one line per mistake; `origins` names the variable behind a dotted key."""
    fields = dict(walk(model))
    problems: list[str] = []
    for details in error.errors(include_url=False):
        # A default made from another value, which is invalid itself and reported.
        if details["type"] == "default_factory_not_called":
            continue
        key = _key_of(details)
        origin = f" (set by {origins[key]})" if key in origins else ""
        problems.append(f"{key}: {_explain_one(key, details, fields, model)}{origin}")
    return list(dict.fromkeys(problems))


def _key_of(details: ErrorDetails) -> str:
    reason = details.get("ctx", {}).get("error")
    if isinstance(reason, Contradiction) and reason.key:
        return reason.key
    # Deeper parts are positions in a list, which users do not count.
    return ".".join(str(part) for part in details["loc"][:2])


def _explain_one(
    key: str, details: ErrorDetails, fields: Mapping[str, FieldInfo], model: type[BaseModel]
) -> str:
    reason = details.get("ctx", {}).get("error")
    if isinstance(reason, Contradiction):
        return str(reason)
    if key in model.model_fields:
        return f"must be a table of settings, [{key}]"
    if key not in fields:
        return f"there is no such setting{_guess(key, fields)}"
    allowed = allowed_of(fields[key])
    if details["type"] == "missing":
        return f"is missing; it must be {allowed.text}"
    shown = "this value" if allowed.secret else _show(details["input"])
    return f"{shown} is not allowed; it must be {allowed.text}"


def _guess(key: str, fields: Mapping[str, FieldInfo]) -> str:
    known = {*fields, *(name.partition(".")[0] for name in fields)}
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.75)
    return f"; did you mean {near[0]}?" if near else ""


def _show(value: object) -> str:
    text = repr(value)
    # Text that looks like a URL with a password, or is as long as a key, stays out of the message.
    return text if len(text) <= LONGEST_SHOWN and "@" not in text else "this value"
