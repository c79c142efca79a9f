"""Several processes of one bot, killed and stopped while files are relayed: a short run.

`python -m tests.bench chaos` has five long ones, and two minutes without the database.
"""

from pathlib import Path

import pytest

from tests.kill.chaos import SHORT_PLAN, run_chaos
from tests.kill.verdict import FRONT_WITHIN, JOBS_WITHIN, Verdict, figures

# Its processes have roles already.
pytestmark = [pytest.mark.in_a_file, pytest.mark.long]


@pytest.mark.timeout(400)
async def test_killed_again_and_again(tmp_path: Path) -> None:
    """No file is lost, nothing is left behind, and what a dead process did goes on elsewhere."""
    verdict = await run_chaos(SHORT_PLAN, tmp_path)
    print(_described(verdict))  # noqa: T201 -- shown by `pytest -s`.

    assert verdict.faults == {}
    assert [taken for taken in (*verdict.jobs, *verdict.fronts) if taken.seconds is None] == []
    assert max(figures(verdict.jobs), default=0) <= JOBS_WITHIN
    assert max(figures(verdict.fronts), default=0) <= FRONT_WITHIN


def _described(verdict: Verdict) -> str:
    jobs, fronts = (
        [round(seconds, 1) for seconds in figures(found)]
        for found in (verdict.jobs, verdict.fronts)
    )
    return (
        f"seed {verdict.plan.seed}: killed {dict(verdict.kills)}, attempts"
        f" {dict(verdict.attempts)}, taken over: jobs {jobs}, fronts {fronts}"
    )
