"""Reading a few rows of every chat, so that one with many hides no other.

These statements are read at every look. To build one takes several times as long as SQLite needs
for it, so they are built once, and their limit is a parameter.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Integer, Select, Table, bindparam, func, select


def first_of_each_chat(
    rows: Select[*tuple[Any, ...]], table: Table, order: Sequence[Column[Any]]
) -> Select[*tuple[Any, ...]]:
    """Keep the first rows of each chat, as many as the parameter `limit` says; all of them stand
    in the given order.

    `rows` selects from `table` alone, which has the columns `id` and `chat_id`.
    """
    rank = func.row_number().over(partition_by=table.c.chat_id, order_by=order)
    ranked = rows.with_only_columns(table.c.id, rank.label("rank")).subquery()
    return (
        select(table)
        .join(ranked, ranked.c.id == table.c.id)
        .where(ranked.c.rank <= bindparam("limit", type_=Integer))
        .order_by(*order)
    )
