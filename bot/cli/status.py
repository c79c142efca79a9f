"""`relay-bot status`: running and queued jobs and live links, from the ledger."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from bot.adapters.ledger.database import bot_runs, open_database
from bot.adapters.ledger.ledger import SqlCliJobs, SqlOffset
from bot.adapters.ledger.totals import LedgerOverview
from bot.cli.common import (
    SettingsFile,
    duration,
    failing_in_a_line,
    load_settings,
    log_quietly,
    print_json,
    print_table,
    require_ledger,
    size,
)
from bot.clock import SystemClock
from bot.core.jobs import Job
from bot.core.ports.clock import Clock
from bot.settings import Settings


@dataclass(frozen=True, slots=True)
class Status:
    """The state of the bot at the moment `now` of the system's clock. `oss_now` is the same moment
    by OSS's clock, as far as the ledger has its offset; it decides about links.
    """

    bot_runs: bool
    now: datetime
    oss_now: datetime
    seen: LedgerOverview


async def look_at_status(settings: Settings, *, clock: Clock | None = None) -> Status:
    """Read the state from the ledger, with or without a running bot; send nothing to OSS.

    Raises:
        OperationImpossible: there is no ledger.
        LedgerError: it cannot be used.
    """
    place, clock = settings.ledger.place, clock or SystemClock()
    require_ledger(place)
    async with open_database(place, create=False) as database:
        seen = await SqlCliJobs(database).overview()
        offset = await SqlOffset(database).oss_offset()
    now = clock.now()
    return Status(await bot_runs(place), now, now + offset, seen)


def status(
    *,
    settings: SettingsFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show running and waiting jobs, and live links with their expiry. Works beside a running bot.

    Example: relay-bot status --json
    """
    loaded = load_settings(settings)
    log_quietly(loaded)
    with failing_in_a_line():
        found = asyncio.run(look_at_status(loaded))
    if as_json:
        print_json(_as_dict(found))
    else:
        _show(found)


def _show(found: Status) -> None:
    seen = found.seen
    typer.echo(
        f"the bot {'runs' if found.bot_runs else 'does not run'};"
        f" running {len(seen.running)}, queued {len(seen.queued)}, links {len(seen.links)},"
        f" waiting to be said {seen.unsaid}"
    )
    if seen.set_aside:
        counts = ", ".join(f"{kind} {count}" for kind, count in seen.set_aside.items())
        typer.echo(f"set aside after errors: {counts}; the log has the reasons")
    if under_way := [*seen.running, *seen.queued]:
        rows = [_job_cells(job, found.now) for job in under_way]
        print_table("under way", ("job", "state", "file", "size", "for", "failures"), rows)
    if seen.links:
        rows = [
            (str(job.id), job.file.name, size(job.size), _ends(stored.due_at - found.oss_now))
            for job, stored in seen.links
        ]
        print_table("links", ("job", "file", "size", "ends"), rows)


def _job_cells(job: Job, now: datetime) -> tuple[str, ...]:
    failures = f"{job.failures} ({job.error_code})" if job.failures else "0"
    age = duration(now - job.created_at)
    return (
        str(job.id),
        job.state.value,
        job.file.name,
        size(job.file.announced_size),
        age,
        failures,
    )


def _ends(left: timedelta) -> str:
    return f"in {duration(left)}" if left > timedelta(0) else f"overdue by {duration(-left)}"


def _as_dict(found: Status) -> dict[str, Any]:
    def jobs(which: Sequence[Job]) -> list[dict[str, Any]]:
        return [
            {
                "job": job.id,
                "name": job.file.name,
                "size": job.file.announced_size,
                "created_at": job.created_at.isoformat(),
                "failures": job.failures,
                "error_code": job.error_code,
            }
            for job in which
        ]

    return {
        "bot_runs": found.bot_runs,
        "now": found.now.isoformat(),
        "oss_now": found.oss_now.isoformat(),
        "running": jobs(found.seen.running),
        "queued": jobs(found.seen.queued),
        "links": [
            {
                "job": job.id,
                "name": job.file.name,
                "size": job.size,
                "ends_at": stored.due_at.isoformat(),
            }
            for job, stored in found.seen.links
        ],
        "waiting_to_be_said": found.seen.unsaid,
        "set_aside": found.seen.set_aside,
    }
