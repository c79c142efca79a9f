"""Parts of statements that several operations share."""

from types import SimpleNamespace
from typing import cast

import pytest
from sqlalchemy import URL, Connection

from bot.adapters.ledger.rows import insert_for
from bot.adapters.ledger.schema import chats


@pytest.mark.parametrize("name", ["sqlite", "postgresql"])
def test_insert_is_of_the_dialect_of_the_connection(name: str) -> None:
    """The same operation serves both databases: a key that is known is updated or left alone."""
    dialect = URL.create(name).get_dialect()()
    connection = cast(Connection, SimpleNamespace(dialect=dialect))
    statement = insert_for(connection, chats).values(chat_id=1, moved_to=2)
    update = statement.on_conflict_do_update(index_elements=["chat_id"], set_={"moved_to": 2})
    ignore = statement.on_conflict_do_nothing()

    assert "ON CONFLICT (chat_id) DO UPDATE" in str(update.compile(dialect=dialect))
    assert "ON CONFLICT DO NOTHING" in str(ignore.compile(dialect=dialect))
