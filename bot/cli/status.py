"""`relay-bot status`: running and queued jobs and live links, from the ledger; `relay-bot audit`:
the ledger compared with the bucket.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from bot.adapters.ledger.database import bot_runs, open_database
from bot.adapters.ledger.ledger import SqlCliJobs, SqlLedger, SqlOffset
from bot.adapters.ledger.totals import LedgerOverview
from bot.adapters.oss.access_checks import AnonymousAccess
from bot.cli.common import (
    FAILED,
    OK,
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
from bot.core.files import key_prefix
from bot.core.jobs import Job
from bot.core.ports.clock import Clock
from bot.jobs.audit import Auditor, Finding, audit_exposure
from bot.settings import Settings
from bot.wiring.resources import open_store_access


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


def audit(
    *,
    settings: SettingsFile = None,
    fix: Annotated[bool, typer.Option("--fix", help="Remove what is found.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per finding.")] = False,
) -> None:
    """Compare the ledger with the bucket; exit code 1 if anything is wrong. Works beside a running
    bot.

    Example: relay-bot audit --json
    """
    loaded = load_settings(settings)
    log_quietly(loaded)
    with failing_in_a_line():
        findings = asyncio.run(run_audit(loaded, fix=fix))
    _show_findings(findings, as_json=as_json)
    raise typer.Exit(FAILED if findings else OK)


async def run_audit(settings: Settings, *, fix: bool, clock: Clock | None = None) -> list[Finding]:
    """Compare the ledger with the bucket, and check anonymous access to the bucket.

    Raises:
        OperationImpossible: there is no ledger.
        LedgerError: it cannot be used.
        StoreError: OSS could not be reached, or refused.
    """
    place, clock = settings.ledger.place, clock or SystemClock()
    require_ledger(place)
    async with AsyncExitStack() as stack:
        ledger = SqlLedger(await stack.enter_async_context(open_database(place, create=False)))
        line = await stack.enter_async_context(open_store_access(settings, clock))
        prefix = key_prefix(settings.telegram.bot_id)
        auditor = Auditor(
            ledger.objects,
            line.store,
            line.threads,
            line.oss.link_clock,
            bucket=settings.oss.bucket,
        )
        return await auditor.audit(prefix, fix=fix) + await audit_exposure(
            AnonymousAccess(line.oss, line.store, prefix),
            line.threads,
            settings.oss.bucket,
            signed=settings.link.mode.is_private,
        )


def _show_findings(findings: Sequence[Finding], *, as_json: bool) -> None:
    """Print the findings of an audit, or that there are none."""
    if as_json:
        for finding in findings:
            print_json(asdict(finding))
        return
    if not findings:
        typer.echo("audit: nothing found")
        return
    rows = [
        (finding.kind.value, finding.subject, finding.detail, "yes" if finding.fixed else "no")
        for finding in findings
    ]
    print_table(f"{len(findings)} found", ("what", "where", "detail", "fixed"), rows)
