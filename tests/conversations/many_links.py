"""Many live links at once, put into ledger and bucket past the bot, because a bot would take
minutes for them.
"""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import Connection, insert

from bot.adapters.ledger.database import open_database
from bot.adapters.ledger.schema import answers, jobs, objects
from bot.core.files import key_prefix
from bot.core.jobs import JobState, ObjectState
from bot.core.ports.answers import AnswerState
from bot.demo.local_stack import LocalStack
from bot.sandbox.oss.disk import ObjectData
from bot.sandbox.oss.model import StoredObject
from tests.fakes.ledger import place_of


async def add_links(
    stage: LocalStack, count: int, due_at: datetime, *, acl: str = "private"
) -> None:
    """Let so many links of a user who is not in the test live until `due_at`."""
    now = due_at - timedelta(hours=23, minutes=55)
    prefix = key_prefix(stage.telegram.bot_id)
    keys = [f"{prefix}{secrets.token_urlsafe(16)}/{number}.bin" for number in range(count)]
    async with open_database(place_of(stage)) as database:
        await database.write(_store, stage.telegram.bot_id, keys, now, due_at)
    for key in keys:
        headers = {"x-oss-storage-class": "Standard"}
        stage.bucket.objects[key] = StoredObject(
            key, ObjectData([]), 0, 0, "0" * 32, now, acl, headers
        )


def _store(
    connection: Connection, bot_id: int, keys: list[str], now: datetime, due_at: datetime
) -> None:
    # Lost, so that no answers are sent about a thousand jobs.
    answer = {
        "chat_id": 1, "reply_to": 1, "language": "", "state": AnswerState.LOST.value,
        "tries": 0, "changes": 0, "shown": 0,
    }  # fmt: skip
    row = connection.execute(insert(answers).values(answer).returning(answers.c.id))
    answer_id = row.scalar_one()
    done = [
        {
            "bot_id": bot_id, "chat_id": 1, "message_id": number, "owner_id": 1,
            "file_unique_id": f"file {number}", "language": "", "file_id": "", "size": 0,
            "kind": "document", "name": f"{number}.bin", "state": JobState.DONE.value,
            "attempt": 1, "failures": 0, "created_at": now, "run_at": now, "crashes": 0,
            "finished_at": now, "cancel_requested": False, "boot_id": "", "error_args": {},
            "answer_id": answer_id,
        }
        for number in range(len(keys))
    ]  # fmt: skip
    made = connection.execute(insert(jobs).values(done).returning(jobs.c.id))
    live = [
        {
            "job_id": job_id, "key": key, "state": ObjectState.LIVE.value,
            "due_at": due_at, "sweeps": 0,
        }
        for job_id, key in zip(made.scalars(), keys, strict=True)
    ]  # fmt: skip
    connection.execute(insert(objects).values(live))
