"""The files of an album are answered together, in any order of their ends."""

from dataclasses import replace
from datetime import datetime

import pytest

from bot.adapters.ledger.database import Database
from bot.core.jobs import Job
from bot.core.ports.views import Answer
from tests.fakes.samples import make_file, make_origin
from tests.outbound.outbound_fixture import OutboundFixture


@pytest.fixture
def stage(database: Database) -> OutboundFixture:
    """Return senders with nothing to send."""
    return OutboundFixture(database)


async def _accept(stage: OutboundFixture, message_id: int) -> Job:
    origin = replace(make_origin(message_id=message_id), album="77")
    job = await stage.ledger.jobs.accept(origin, make_file(f"{message_id}.pdf"), stage.clock.now())
    assert job is not None
    return job


async def test_file_that_ends_between_two_looks(
    stage: OutboundFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last one may end after those that wait were read, and before it is asked whether the
    album is over.
    """
    first, last = await _accept(stage, 1), await _accept(stage, 2)
    await stage.done(first)
    await stage.after(5.0)
    look = stage.ledger.jobs.open_albums
    ended = False

    async def end_and_look(quiet_since: datetime) -> set[tuple[int, str]]:
        nonlocal ended
        if not ended:
            ended = True
            await stage.done(last)
        return await look(quiet_since)

    monkeypatch.setattr(stage.ledger.jobs, "open_albums", end_and_look)
    await stage.after(5.0)
    answers = [said.view for said in stage.messenger.said if isinstance(said.view, Answer)]

    assert [[item.job_id for item in answer.items] for answer in answers] == [[first.id, last.id]]
