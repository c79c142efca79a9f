"""`relay-bot status`: running and queued jobs and live links, from the ledger; `relay-bot links`:
live pages behind links; `relay-bot audit`: the ledger compared with the bucket.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import typer

from bot.adapters.ledger.database import Database, bot_runs, open_database
from bot.adapters.ledger.ledger import SqlCliJobs, SqlLedger, SqlOffset
from bot.adapters.ledger.totals import LedgerOverview
from bot.adapters.oss.access_checks import AnonymousAccess
from bot.cli.common import (
    FAILED,
    OK,
    CommandFailed,
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
from bot.core.ports import Clock
from bot.core.ports.ledger import LedgerServer
from bot.core.ports.pages import PageContent, PageFile, page_url
from bot.core.ports.runs import LiveWorker
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
    process: str = ""
    """Which process runs the bot, of those that share a server."""
    workers: Sequence[LiveWorker] = ()


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
        process, workers = await _processes(database)
    now = clock.now()
    return Status(await bot_runs(place), now, now + offset, seen, process, workers)


async def _processes(database: Database) -> tuple[str, Sequence[LiveWorker]]:
    """Return which process runs the bot, and the workers."""
    if not isinstance(database.place, LedgerServer):
        return "", ()
    # Here, because beside a file there are none.
    from bot.adapters.ledger.leases import BOT, live
    from bot.adapters.ledger.runs import list_workers

    holder, _ = (await database.read(live, BOT)).get(BOT, ("", 0))
    return holder, await database.read(list_workers)


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
    process = f" ({found.process})" if found.process else ""
    typer.echo(
        f"the bot {'runs' if found.bot_runs else 'does not run'}{process};"
        f" running {len(seen.running)}, queued {len(seen.queued)}, links {len(seen.links)},"
        f" waiting to be said {seen.unsaid}"
    )
    if seen.set_aside:
        counts = ", ".join(f"{kind} {count}" for kind, count in seen.set_aside.items())
        typer.echo(f"set aside after errors: {counts}; the log has the reasons")
    if found.workers:
        cells = [
            (one.name, f"{one.running} of {one.slots}", one.root, one.version, one.host)
            for one in found.workers
        ]
        print_table("workers", ("worker", "running", "files", "version", "process"), cells)
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
        "process": found.process,
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
        "workers": [
            {
                "name": one.name,
                "slots": one.slots,
                "running": one.running,
                "files": one.root,
                "version": one.version,
                "process": one.host,
            }
            for one in found.workers
        ],
        "waiting_to_be_said": found.seen.unsaid,
        "set_aside": found.seen.set_aside,
    }


MOST_PAGES: Final = 1000
"""Pages that are listed, the newest first."""


@dataclass(frozen=True, slots=True)
class LivePage:
    """A live page as it is listed at `now`, OSS's time."""

    content: PageContent
    now: datetime

    @property
    def files(self) -> list[PageFile]:
        """The files that have not ended."""
        return self.content.open_files(self.now)

    @property
    def ends_at(self) -> datetime:
        """When its last file ends."""
        return max(file.stored.due_at for file in self.files)

    @property
    def limits(self) -> str:
        """What its sender has chosen, "" for nothing."""
        options = self.content.page.options
        most = options.most_downloads
        chosen = (
            f"each file {'once' if most == 1 else f'{most} times'}" if most is not None else "",
            "password" if options.password_hash is not None else "",
            "paused" if options.is_paused else "",
        )
        return ", ".join(filter(None, chosen))


async def run_links(
    settings: Settings, remove: Sequence[int] = (), *, clock: Clock | None = None
) -> list[LivePage]:
    """Return the live pages, those that were asked for by id taken down; the files of these are
    closed at once, and a running bot deletes them within seconds.

    Raises:
        CommandFailed: there is no ledger, or no live page with such an id; then nothing changed.
        LedgerError: it cannot be used.
    """
    place, clock = settings.ledger.place, clock or SystemClock()
    require_ledger(place)
    async with open_database(place, create=False) as database:
        ledger, offset = SqlLedger(database), await SqlOffset(database).oss_offset()
        now = clock.now() + offset
        found = [LivePage(page, now) for page in await ledger.pages.live(MOST_PAGES)]
        pages = {page.content.page.id: page for page in found if page.files}
        if unknown := [str(page_id) for page_id in remove if page_id not in pages]:
            raise CommandFailed(f"there is no live page {', '.join(unknown)}")
        for page_id in remove:
            for file in pages[page_id].files:
                await ledger.objects.revoke(file.job_id, now)
        return [pages[page_id] for page_id in remove] if remove else list(pages.values())


def links(
    *,
    settings: SettingsFile = None,
    remove: Annotated[
        list[int] | None, typer.Option(help="Take down the page with this number; repeatable.")
    ] = None,
    urls: Annotated[
        bool, typer.Option("--urls", help="Show addresses too: anyone who has one can download.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per page.")] = False,
) -> None:
    """List the live pages behind links, or take one down. Works beside a running bot.

    Example: relay-bot links --remove 12
    """
    loaded = load_settings(settings)
    log_quietly(loaded)
    with failing_in_a_line():
        found = asyncio.run(run_links(loaded, remove or ()))
    origin = loaded.web.url if urls else None
    if as_json:
        for page in found:
            print_json(_page_dict(page, origin))
    elif remove:
        typer.echo(f"taken down: {', '.join(map(str, remove))}")
    else:
        _show_pages(found, origin)


def _show_pages(found: Sequence[LivePage], origin: str | None) -> None:
    if not found:
        typer.echo("links: no live page")
        return
    rows = [
        (
            str(page.content.page.id),
            ", ".join(file.name for file in page.files),
            size(sum(file.size for file in page.files)),
            _ends(page.ends_at - page.now),
            str(page.content.page.downloads),
            page.limits,
            *([page_url(origin, page.content.page.token)] if origin else []),
        )
        for page in found
    ]
    heads = ("page", "files", "size", "ends", "downloads", "limits")
    print_table("pages", heads + (("address",) if origin else ()), rows)


def _page_dict(page: LivePage, origin: str | None) -> dict[str, Any]:
    shown = page.content.page
    address = {"url": page_url(origin, shown.token)} if origin else {}
    return {
        "page": shown.id,
        "files": [{"name": file.name, "size": file.size} for file in page.files],
        "ends_at": page.ends_at.isoformat(),
        "downloads": shown.downloads,
        "most_downloads": shown.options.most_downloads,
        "has_password": shown.options.password_hash is not None,
        "is_paused": shown.options.is_paused,
        **address,
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
