"""`relay-bot setup`: compares the bucket with the bot's needs, shows the changes, asks, applies
them.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final

import structlog
import typer

from bot.adapters.oss.access_checks import BucketProbe, BucketUnfit, BucketUnusable
from bot.adapters.oss.administration import BucketAdministration
from bot.adapters.oss.bucket import OssLinkSigner
from bot.adapters.oss.policies import SETUP_BUCKET, Policy, ram_policy, users_granted
from bot.cli.common import (
    FAILED,
    OK,
    CommandFailed,
    Lang,
    SettingsFile,
    fail,
    load_settings,
    log_quietly,
    named,
    print_json,
    print_table,
    say,
    speak,
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
from bot.clock import SystemClock
from bot.core.errors import RelayError, StoreError, StoreForbidden
from bot.core.files import LinkMode, key_prefix
from bot.core.ports import Clock
from bot.settings import Settings
from bot.settings.types import is_loopback
from bot.wiring.resources import StoreAccess, open_store_access

log = structlog.stdlib.get_logger(__name__)

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
    the smallest policy that the RAM user needs; `lacking` is what OSS said where it refused
    something for the lack of a right.
    """

    planned: list[Change]
    made: list[Change]
    declined: list[Change]
    refused: list[RefusedChange] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    ram: Policy = field(default_factory=dict)
    lacking: list[str] = field(default_factory=list)


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
        return Outcome(
            planned,
            course.made,
            declined,
            course.refused,
            course.notes(),
            policy_of(settings),
            course.lacking(),
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
                names = ", ".join(named("change", what) for what in missing)
                raise CommandFailed(say("setup-needs", changes=names))  # noqa: TRY301 -- one way out.
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

    def lacking(self) -> list[str]:
        """Return what OSS refused for the lack of a right."""
        actual = self._actual
        seen = [actual.policy, actual.lifecycle] if actual is not None else []
        found = [str(one) for one in seen if isinstance(one, StoreForbidden)]
        return [*found, *(refused.why for refused in self.refused if refused.is_forbidden)]

    def notes(self) -> list[str]:
        """Return what a person should know and the program does not change."""
        actual, desired = self._actual, self._desired
        found = []
        if actual is not None and actual.info.versioning == "Enabled":
            found.append(say("setup-note-versioning", prefix=desired.prefix))
        if actual is not None and actual.info.redundancy not in {"LRS", ""}:
            found.append(say("setup-note-redundancy", redundancy=actual.info.redundancy))
        policy = actual.policy if actual is not None else None
        others = users_granted(policy, desired.bucket) if isinstance(policy, dict) else []
        if others and desired.user is not None and (rest := set(others) - {desired.user}):
            found.append(say("setup-note-users", users=", ".join(sorted(rest))))
        return found


async def try_key(settings: Settings) -> list[str]:
    """Store, open and delete a small object, as the bot does at its start; return what OSS refused
    for the lack of a right. Other trouble is left to the doctor.
    """
    mode, prefix = settings.link.mode, key_prefix(settings.telegram.bot_id)
    async with open_store_access(settings, SystemClock()) as line:
        check = BucketProbe(line.oss, line.store, OssLinkSigner(line.oss, mode), mode).check
        try:
            await line.threads.call(lambda: check(prefix))
        except (StoreForbidden, BucketUnusable) as error:
            return [str(error)]
        except (StoreError, BucketUnfit) as error:
            log.debug("the bucket could not be tried", why=str(error))
    return []


USERS: Final = "https://ram.console.aliyun.com/users"
POLICIES: Final = "https://ram.console.aliyun.com/policies"


def setup(  # noqa: PLR0913 - a command has its options.
    *,
    settings: SettingsFile = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")
    ] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove the lifecycle rule and statements of the bot.")
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
        typer.Option(help="Add a bucket policy for the RAM user with this number."),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Agree to changes of the whole bucket.")
    ] = False,
    policy: Annotated[
        bool, typer.Option("--policy", help="Only print the RAM policy of the bot's key.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    lang: Lang = None,
) -> None:
    """Configure the bucket for the bot; run it again at any time. Other rules and statements stay
    as they are. Exit code 1 if a change was refused or declined; the others are made.

    Example: relay-bot setup --dry-run
    """
    speak(lang)
    loaded = load_settings(settings)
    log_quietly(loaded)
    if policy:
        print_policy(loaded)
        return
    if user_id is None and not (dry_run or remove or yes or as_json) and sys.stdin.isatty():
        user_id = _ask_user()
    desired = _desired(loaded, public_read=public_read_bucket, user=user_id)

    def agree(changes: Sequence[Change]) -> bool:
        return yes or _ask(changes, silent=as_json)

    work = _set_up(loaded, desired, agree=agree, remove=remove, dry_run=dry_run)
    outcome = _result(work, loaded, silent=as_json)
    if as_json:
        print_json(_as_dict(outcome))
    else:
        _show(outcome, dry_run=dry_run)
        if outcome.lacking and not remove:
            _show_steps(desired, outcome)
    _show_refused(outcome)
    raise typer.Exit(FAILED if outcome.declined or outcome.refused else OK)


async def _set_up(
    settings: Settings, desired: DesiredBucket, *, agree: Agree, remove: bool, dry_run: bool
) -> Outcome:
    """Configure the bucket, and try the key if nothing was refused to it so far."""
    outcome = await run_setup(settings, desired, agree=agree, remove=remove, dry_run=dry_run)
    if dry_run or remove or outcome.lacking or outcome.refused:
        return outcome
    return replace(outcome, lacking=await try_key(settings))


def _result(work: Coroutine[Any, Any, Outcome], settings: Settings, *, silent: bool) -> Outcome:
    """Return the outcome, or leave with one line."""
    try:
        return asyncio.run(work)
    except StoreForbidden as error:
        if not silent:
            show_policy(policy_of(settings, setup=True))
        fail(say("setup-forbidden", why=error, remedy=say(LEND_A_KEY)))
    except (CommandFailed, RelayError) as error:
        fail(error)


def _desired(settings: Settings, *, public_read: bool, user: str | None) -> DesiredBucket:
    if public_read and settings.link.mode is not LinkMode.PUBLIC:
        raise typer.BadParameter(say("setup-only-public"))
    if user is not None and not (user.isascii() and user.isdigit()):
        raise typer.BadParameter(say("setup-user-is-number"))
    return desired_for(settings, public_read=public_read, user=user)


def _ask_user() -> str | None:
    question = say("setup-ask-user", users=USERS)
    asked: str = typer.prompt(question, default="", show_default=False)
    return asked.strip() or None


def _ask(changes: Sequence[Change], *, silent: bool) -> bool:
    if silent or not sys.stdin.isatty():
        typer.echo(say("setup-not-agreed"), err=True)
        return False
    _show_changes(say("setup-as-a-whole"), changes)
    return typer.confirm(say("setup-change-this"))


def _show(outcome: Outcome, *, dry_run: bool) -> None:
    if not outcome.planned:
        typer.echo(say("setup-nothing"))
    elif dry_run:
        _show_changes(say("setup-would-change"), outcome.planned)
    elif outcome.made:
        _show_changes(say("setup-changed"), outcome.made)
    if outcome.declined:
        _show_changes(say("setup-declined"), outcome.declined)
    for note in outcome.notes:
        typer.echo(say("setup-note", note=note))


def _show_changes(title: str, changes: Sequence[Change]) -> None:
    rows = [(named("change", change.what), change.before, change.after) for change in changes]
    columns = (say("setup-what"), say("setup-is"), say("setup-shall-be"))
    print_table(title, columns, rows)


def _show_refused(outcome: Outcome) -> None:
    for refused in outcome.refused:
        what = named("change", refused.change.what)
        line = say("setup-refused", what=what, why=refused.why, remedy=refused.remedy)
        typer.echo(f"relay-bot: {line}", err=True)


def policy_of(settings: Settings, *, setup: bool = False) -> Policy:
    """Return the smallest RAM policy for the bot's key, with `setup` also for this command."""
    secure = not is_loopback(settings.oss.endpoint)
    prefix = key_prefix(settings.telegram.bot_id)
    return ram_policy(settings.oss.bucket, prefix, setup=setup, secure=secure)


def print_policy(settings: Settings) -> None:
    """Print the RAM policy and nothing else."""
    typer.echo(json.dumps(policy_of(settings), indent=2))


def show_policy(policy: Policy) -> None:
    """Print a RAM policy, and where it is to be pasted and attached."""
    typer.echo(f"\n{say('setup-attach', policies=POLICIES, users=USERS)}\n")
    typer.echo(f"{json.dumps(policy, indent=2)}\n")


def _show_steps(desired: DesiredBucket, outcome: Outcome) -> None:
    typer.echo(f"\n{say('setup-lacking', why='; '.join(dict.fromkeys(outcome.lacking)))}")
    more = ", ".join(SETUP_BUCKET)
    where = {"users": USERS, "policies": POLICIES, "bucket": desired.bucket}
    typer.echo(say("setup-steps", more=more, **where))
    typer.echo(f"\n{json.dumps(outcome.ram, indent=2)}")
    if desired.user is None:
        typer.echo(f"\n{say('setup-or-bucket-policy')}")


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
        "lacking": outcome.lacking,
    }
