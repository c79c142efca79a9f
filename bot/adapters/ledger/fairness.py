"""Reading a few rows of every chat, so that one with many hides no other."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Select, Table, func, select


def first_of_each_chat(
    rows: Select[*tuple[Any, ...]], table: Table, order: Sequence[Column[Any]], limit: int
) -> Select[*tuple[Any, ...]]:
    """Keep the first `limit` of the rows of each chat; all of them stand in the given order.

    `rows` selects from `table` alone, which has the columns `id` and `chat_id`.
    """
    rank = func.row_number().over(partition_by=table.c.chat_id, order_by=order)
    ranked = rows.with_only_columns(table.c.id, rank.label("rank")).subquery()
    return (
        select(table)
        .join(ranked, ranked.c.id == table.c.id)
        .where(ranked.c.rank <= limit)
        .order_by(*order)
    )
