"""The bot as `relay-bot run` runs it, with its commits and its visits to the ledger counted.

`python -m tests.bench.counted SETTINGS` answers every line on standard input with the counts so
far, as one line of JSON. Counting costs an addition for each.
"""

import json
import os
import sys
import threading
from collections import Counter
from concurrent.futures import Future
from typing import Any

COUNTS: Counter[str] = Counter(commits=0, visits=0, statements=0)


def count() -> None:
    """Count from now on."""
    from sqlalchemy import Connection, Engine, event

    from bot.adapters.ledger import connection
    from bot.transfer.pool import ThreadPool

    class CountingPool(ThreadPool):
        """Counts the calls that are handed to a thread of the ledger."""

        def submit(self, call: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            """Count the call, and make it."""
            COUNTS["visits"] += 1
            return super().submit(call, *args, **kwargs)

    setattr(connection, "ThreadPool", CountingPool)  # noqa: B010 -- a name that it imports.

    @event.listens_for(Engine, "commit")
    def committed(used: Connection) -> None:
        begin = used.get_execution_options().get("begin", "")
        COUNTS["commits"] += begin == "BEGIN IMMEDIATE"

    @event.listens_for(Engine, "before_cursor_execute")
    def executed(*_: object) -> None:
        COUNTS["statements"] += 1


def answer(output: int) -> None:
    """Answer every line on standard input; a thread's work."""
    for _ in sys.stdin:
        os.write(output, json.dumps(COUNTS).encode() + b"\n")


def main(settings: str) -> None:
    """Run the bot."""
    from bot.cli.main import app

    count()
    # The log of the bot goes to standard output, which is that of the answers.
    output = os.dup(1)
    os.dup2(2, 1)
    threading.Thread(target=answer, args=(output,), daemon=True).start()
    app(["run", "--settings", settings])


if __name__ == "__main__":
    main(*sys.argv[1:])
