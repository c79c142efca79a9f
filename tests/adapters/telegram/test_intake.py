"""An update in whose handling the process dies is not begun again without end."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.adapters.telegram.intake import MOST_TRIES
from bot.core.jobs import Origin
from tests.fakes.ledger import empty_ledger
from tests.fakes.metrics import FakeMetrics
from tests.fakes.recorder import Recorder
from tests.fakes.samples import OWNER
from tests.test_fault_matrix_intake import NEIGHBOUR, FakeTelegram, IntakeStage

POISON = 1
"""The number of the message; that of the neighbour is the same, in another chat."""


class Died(BaseException):
    """The end of the process."""


class DeadlyJobs:
    """Jobs of which one cannot be accepted: the process dies in it."""

    def __init__(self, jobs: Any, end: BaseException) -> None:
        self._jobs, self._end = jobs, end

    def __getattr__(self, name: str) -> Any:
        return getattr(self._jobs, name)

    async def accept(self, origin: Origin, *args: Any, **kwargs: Any) -> Any:
        """Accept a job, or die."""
        if (origin.owner_id, origin.message_id) == (OWNER, POISON):
            raise self._end
        return await self._jobs.accept(origin, *args, **kwargs)


class DeadlyRecorder(Recorder):
    """A recorder whose jobs are deadly."""

    def __init__(self, end: BaseException) -> None:
        super().__init__()
        self._end = end

    def port(self, name: str, implementation: Any) -> Any:
        """Return a port that records its calls."""
        recorded = super().port(name, implementation)
        return DeadlyJobs(recorded, self._end) if name == "jobs" else recorded


async def live(stage: IntakeStage, number: int) -> bool:
    """Run the intake until all is received and nothing is tried again; return whether it died.
    Each life is later than the one before.
    """
    stage.clock.advance(number * timedelta(minutes=10))
    loops = [asyncio.create_task(stage.intake.run()), asyncio.create_task(stage.intake.retry())]
    done = asyncio.create_task(stage.settled())
    async with stage.application:
        await asyncio.wait([*loops, done], return_when=asyncio.FIRST_COMPLETED)
        for task in (*loops, done):
            task.cancel()
        outcomes = await asyncio.gather(*loops, done, return_exceptions=True)
    return any(isinstance(outcome, Died) for outcome in outcomes)


@pytest.mark.parametrize(("end", "most_deaths"), [(Died(), 5), (asyncio.CancelledError(), 0)])
async def test_update_in_which_the_process_dies(
    tmp_path: Path, end: BaseException, most_deaths: int
) -> None:
    """Each try is counted before it is made, by whichever process; then the update is set aside
    and its sender told. The neighbours are handled. A cancel that came out of a library ends no
    process.
    """
    telegram, deaths = FakeTelegram(), 0
    # Only for speed: the log has a traceback of each try.
    with capture_logs():
        async with empty_ledger(tmp_path / "ledger.db") as database:
            while await live(
                stage := IntakeStage(database, DeadlyRecorder(end), telegram, FakeMetrics()),
                deaths,
            ):
                deaths += 1
                assert deaths <= most_deaths
            files, said = await stage.done()
            set_aside = await stage.set_aside()

    assert deaths == most_deaths
    assert files == [(NEIGHBOUR, 1)]
    assert (1, "dead", MOST_TRIES) in set_aside
    assert ("notice", f"message:{OWNER}:{POISON}") in said
