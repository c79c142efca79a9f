"""The outcomes of jobs, summed up."""

from bot.adapters.ledger.ledger import SqlLedger
from bot.core.ports.jobs import Failures, Totals
from tests.fakes.samples import NOW, accept, acquire, at, cancel, finish


async def fail(ledger: SqlLedger, code: str, seconds: float) -> None:
    """Let a job fail at a given time."""
    job = await acquire(ledger, await accept(ledger))
    assert await ledger.jobs.fail(job, code, {}, at(seconds))


async def test_nothing_has_become_of_no_jobs(ledger: SqlLedger) -> None:
    """Everything is zero, and jobs under way do not count."""
    await accept(ledger)
    await acquire(ledger, await accept(ledger))

    assert Totals() == await ledger.totals.since(at(-1))


async def test_totals_by_outcome_and_code(ledger: SqlLedger) -> None:
    """Done ones with their bytes, failures by code, the latest first."""
    for _ in range(3):
        await finish(ledger, await accept(ledger))
    await cancel(ledger, await accept(ledger))
    await fail(ledger, "disk_full", 5)
    await fail(ledger, "disk_full", 9)
    await fail(ledger, "source_gone", 7)

    assert Totals(
        done=3,
        bytes=3000,
        cancelled=1,
        failures=(Failures("disk_full", 2, at(9)), Failures("source_gone", 1, at(7))),
    ) == await ledger.totals.since(at(-1))


async def test_only_what_ended_later_counts(ledger: SqlLedger) -> None:
    """A job that ended at that very time is out."""
    await finish(ledger, await accept(ledger), NOW)
    await finish(ledger, await accept(ledger), at(1))

    assert (await ledger.totals.since(NOW)).done == 1
