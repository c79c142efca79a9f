"""`relay-bot setup`: compares the bucket with the bot's needs, shows the changes, asks, applies
them.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final

import typer

from bot.adapters.oss.administration import BucketAdministration
from bot.adapters.oss.policies import SETUP_BUCKET, Policy, ram_policy, users_granted
from bot.cli.common import (
    FAILED,
    OK,
    CommandFailed,
    SettingsFile,
    fail,
    load_settings,
    log_quietly,
    print_json,
    print_table,
)
from bot.cli.setup.plan import (
    LEND_A_KEY,
    ActualBucket,
    Change,
    DesiredBucket,
    desired_for,
    expect_new,
    look,
    plan_creation,
    plan_removal,
    plan_setup,
)
from bot.cli.texts import say
from bot.clock import SystemClock
from bot.core.errors import RelayError, StoreError, StoreForbidden
from bot.core.files import LinkMode
from bot.core.ports.clock import Clock
from bot.settings import Settings
from bot.settings.types import is_loopback
from bot.wiring.resources import StoreAccess, open_store_access

Agree = Callable[[Sequence[Change]], bool]
"""Asks a person about changes that affect more than the bot's own prefix and statements."""


@dataclass(frozen=True, slots=True)
class RefusedChange:
    """A change that was not made, why, and what to do."""

    change: Change
    why: str
    is_forbidden: bool = False
    """Whether the key lacks the right for it."""

    @property
    def remedy(self) -> str:
        """The remedy of a refusal; a change that waits for another one needs none of its own."""
        return self.change.remedy


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a setup: the changes that were made, declined and refused, notes in words, and
    the smallest policy that the RAM user needs.
    """

    planned: list[Change]
    made: list[Change]
    declined: list[Change]
    refused: list[RefusedChange] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    ram: Policy = field(default_factory=dict)


async def run_setup(
    settings: Settings,
    desired: DesiredBucket,
    *,
    agree: Agree,
    remove: bool = False,
    dry_run: bool = False,
    clock: Clock | None = None,
) -> Outcome:
    """Configure the bucket as `desired`, or with `remove` undo the bot's own changes.

    `agree` is called once, before any change, if a change affects more than our prefix and our
    statements. With `dry_run` there are no questions and no changes.

    Raises:
        OperationImpossible: the account blocks public access that the settings need.
        StoreError: the bucket cannot be looked at. A change that OSS refuses ends no other.
    """
    async with open_store_access(settings, clock or SystemClock()) as line:
        course = _Setup(line, BucketAdministration(line.oss), desired)
        planned = await course.plan(remove=remove)
        foreign = [change for change in planned if not change.ours]
        declined = foreign if not dry_run and foreign and not agree(foreign) else []
        if not dry_run:
            await course.make(planned, declined)
        secure = not is_loopback(line.oss.address.upload_base)
        return Outcome(
            planned,
            course.made,
            declined,
            course.refused,
            course.notes(),
            ram_policy(desired.bucket, desired.prefix, secure=secure),
        )


class _Setup:
    """One setup, step by step."""

    def __init__(
        self, line: StoreAccess, administration: BucketAdministration, desired: DesiredBucket
    ) -> None:
        self._line = line
        self._administration = administration
        self._desired = desired
        self._actual: ActualBucket | None = None
        self._missing = set[str]()
        """The names of changes that others may need, and that were not made."""
        self.made: list[Change] = []
        self.refused: list[RefusedChange] = []

    async def plan(self, *, remove: bool) -> list[Change]:
        """Inspect the bucket, and return every change that is needed."""
        self._actual = await self._look()
        if remove:
            return plan_removal(self._actual, self._desired) if self._actual else []
        if self._actual is not None:
            return plan_setup(self._actual, self._desired)
        expected = await self._line.threads.call(
            lambda: expect_new(self._administration, self._desired.region)
        )
        return [plan_creation(self._desired), *plan_setup(expected, self._desired)]

    async def make(self, planned: Sequence[Change], declined: Sequence[Change]) -> None:
        """Make the changes, except those that were declined: each that does not need another one
        is tried.
        """
        self._missing |= {change.what for change in declined}
        left = [change for change in planned if change not in declined]
        if left and self._actual is None:
            if not await self._try(left[0]):
                # All others are changes of this bucket.
                return
            created = await self._look()
            # The real state, which may differ from the expected one of a new bucket.
            left = plan_setup(replace(created, fresh=True), self._desired) if created else []
        for change in left:
            await self._try(change)

    async def _try(self, change: Change) -> bool:
        """Make a change and return whether it was made."""
        try:
            if missing := self._missing.intersection(change.needs):
                raise CommandFailed(f"needs another change first: {', '.join(missing)}")  # noqa: TRY301 -- one way out.
            await self._line.threads.call(lambda: change.make(self._administration))
        except (StoreError, CommandFailed) as error:
            is_forbidden = isinstance(error, StoreForbidden)
            self.refused.append(RefusedChange(change, str(error), is_forbidden=is_forbidden))
            self._missing.add(change.what)
            return False
        self.made.append(change)
        return True

    async def _look(self) -> ActualBucket | None:
        return await self._line.threads.call(lambda: look(self._administration))

    def notes(self) -> list[str]:
        """Return what a person should know and the program does not change."""
        actual, desired = self._actual, self._desired
        found = []
        if actual is not None and actual.info.versioning == "Enabled":
            found.append(
                "versioning is on: what is deleted stays as an old version, for a day below"
                f" {desired.prefix}; suspend it if nothing else in the bucket needs it"
            )
        if actual is not None and actual.info.redundancy not in {"LRS", ""}:
            found.append(
                f"redundancy is {actual.info.redundancy}, which costs more than LRS and cannot be"
                " changed back; a day's files hardly need it"
            )
        policy = actual.policy if actual is not None else None
        others = users_granted(policy, desired.bucket) if isinstance(policy, dict) else []
        if others and desired.user is not None and (rest := set(others) - {desired.user}):
            found.append(f"the bucket policy also serves RAM user {', '.join(sorted(rest))}")
        return found


USERS: Final = "https://ram.console.aliyun.com/users"
POLICIES: Final = "https://ram.console.aliyun.com/policies"


def setup(  # noqa: PLR0913 - a command has its options.
    *,
    settings: SettingsFile = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")
    ] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take back our lifecycle rule and our statements.")
    ] = False,
    public_read_bucket: Annotated[
        bool,
        typer.Option(
            "--public-read-bucket",
            help='link.mode = "public" only: make the whole bucket readable.',
        ),
    ] = False,
    user_id: Annotated[
        str | None,
        typer.Option(help="Id of the RAM user whom a bucket policy shall serve (a number)."),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Agree to what changes the bucket as a whole.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Configure the bucket for the bot; run it again at any time. Other rules and statements stay
    as they are. Exit code 1 if a change was refused or declined; the others are made.

    Example: relay-bot setup --dry-run
    """
    loaded = load_settings(settings)
    log_quietly(loaded)
    if user_id is None and not (dry_run or remove or yes or as_json) and sys.stdin.isatty():
        user_id = _ask_user()
    desired = _desired(loaded, public_read=public_read_bucket, user=user_id)
    try:
        outcome = asyncio.run(
            run_setup(
                loaded,
                desired,
                agree=lambda changes: yes or _ask(changes, silent=as_json),
                remove=remove,
                dry_run=dry_run,
            )
        )
    except StoreForbidden as error:
        fail(_explain_forbidden(error))
    except (CommandFailed, RelayError) as error:
        fail(error)
    if as_json:
        print_json(_as_dict(outcome))
    else:
        _show(outcome, dry_run=dry_run)
        if not remove:
            _show_steps(desired, outcome)
    for refused in outcome.refused:
        line = f"relay-bot: not changed, {refused.change.what}: {refused.why}"
        typer.echo(f"{line}. Remedy: {refused.remedy}", err=True)
    raise typer.Exit(FAILED if outcome.declined or outcome.refused else OK)


def _desired(settings: Settings, *, public_read: bool, user: str | None) -> DesiredBucket:
    if public_read and settings.link.mode is not LinkMode.PUBLIC:
        raise typer.BadParameter('--public-read-bucket goes only with link.mode = "public"')
    if user is not None and not (user.isascii() and user.isdigit()):
        raise typer.BadParameter("--user-id is the number that the RAM console shows as UID")
    return desired_for(settings, public_read=public_read, user=user)


def _ask_user() -> str | None:
    question = f"UID of a RAM user for a bucket policy, from {USERS} (empty: leave the policy)"
    asked: str = typer.prompt(question, default="", show_default=False)
    return asked.strip() or None


def _ask(changes: Sequence[Change], *, silent: bool) -> bool:
    if silent or not sys.stdin.isatty():
        typer.echo("not agreed to: this changes the bucket as a whole; --yes agrees", err=True)
        return False
    _show_changes("these change the bucket as a whole, not only what is ours", changes)
    return typer.confirm("Change this?")


def _explain_forbidden(error: StoreForbidden) -> str:
    return f"the access key may not look at the bucket: {error}. Remedy: {LEND_A_KEY}"


def _show(outcome: Outcome, *, dry_run: bool) -> None:
    if not outcome.planned:
        typer.echo("setup: nothing to change")
    elif dry_run:
        _show_changes("would change", outcome.planned)
    elif outcome.made:
        _show_changes("changed", outcome.made)
    if outcome.declined:
        _show_changes("not changed, because it was not confirmed", outcome.declined)
    for note in outcome.notes:
        typer.echo(f"note: {note}")


def _show_changes(title: str, changes: Sequence[Change]) -> None:
    rows = [(change.what, change.before, change.after) for change in changes]
    print_table(title, ("what", "is", "shall be"), rows)


def show_policy(policy: Policy) -> None:
    """Print a RAM policy, and where it is to be pasted and attached."""
    typer.echo(f"\n{say('setup-attach', policies=POLICIES, users=USERS)}\n")
    typer.echo(f"{json.dumps(policy, indent=2)}\n")


def _show_steps(desired: DesiredBucket, outcome: Outcome) -> None:
    policy, more = json.dumps(outcome.ram, indent=2), ", ".join(SETUP_BUCKET)
    typer.echo(
        f"""
What only you can do, once, in the console:
1. {USERS} → create a user without console access, with an access key; put the key into
   settings.toml (oss.access_key_id, oss.access_key_secret).
2. {POLICIES} → create a policy by script with the text below, and attach it to that user. It is
   the least that run, send, audit and doctor need. The key of setup needs besides, on the bucket
   {desired.bucket}: {more}.

{policy}"""
    )
    if desired.user is None:
        typer.echo(
            """
Or, in place of 2, let a bucket policy grant the user access: relay-bot setup --user-id UID
(doctor can then not read the configuration of the bucket)."""
        )


def _as_dict(outcome: Outcome) -> dict[str, Any]:
    def rows(changes: Sequence[Change]) -> list[dict[str, Any]]:
        return [
            {"what": c.what, "before": c.before, "after": c.after, "ours": c.ours} for c in changes
        ]

    return {
        "planned": rows(outcome.planned),
        "made": rows(outcome.made),
        "declined": rows(outcome.declined),
        "refused": [
            {"what": refused.change.what, "why": refused.why, "remedy": refused.remedy}
            for refused in outcome.refused
        ],
        "notes": outcome.notes,
        "ram_policy": outcome.ram,
    }
