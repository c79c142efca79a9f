"""The tree of errors and its stable codes."""

import re
from collections.abc import Iterator

from bot.core import errors
from bot.core.errors import (
    ChatFlooded,
    ChatMoved,
    FileTooLarge,
    RelayError,
    SizeMismatch,
    StoreThrottled,
    all_codes,
)


def tree(cls: type[RelayError] = RelayError) -> Iterator[type[RelayError]]:
    """Walk over every class of the module; adapters refine some for themselves."""
    yield cls
    for child in cls.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


def test_every_class_has_a_code_of_its_own() -> None:
    """The code is the name of the class in snake case, so no two share one."""
    for cls in tree():
        assert re.sub(r"(?<!^)([A-Z])", r"_\1", cls.__name__).lower() == cls.code


def test_all_codes_are_those_of_the_tree() -> None:
    """No class is left out."""
    assert {cls.code for cls in tree()} == all_codes()


def test_docstring_draws_the_tree() -> None:
    """The picture in the module names each leaf with its code and permanence."""
    drawn = errors.__doc__ or ""
    for cls in tree():
        line = next(line for line in drawn.splitlines() if re.search(rf"\b{cls.__name__}\b", line))
        if not cls.__subclasses__():
            assert re.search(rf"\b{cls.code}\b", line)
            assert ("(transient" in line) == (not cls.permanent)


def test_errors_keep_their_figures() -> None:
    """The figures that a sentence needs are attributes, in bytes and seconds."""
    assert (FileTooLarge(5, 4).size, FileTooLarge(5, 4).limit) == (5, 4)
    assert str(FileTooLarge(None, 4)) == "unknown bytes, limit 4"
    assert (SizeMismatch(7, 6).announced, SizeMismatch(7, 6).received) == (7, 6)
    assert (StoreThrottled("busy").delay, StoreThrottled("busy", 2.5).delay) == (0.0, 2.5)
    assert ChatFlooded(3.0).delay == 3.0

    assert ChatMoved(-100).chat_id == -100
