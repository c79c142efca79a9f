"""The course of a setup: look, show, ask, change."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from bot.adapters.oss.administration import BucketAdministration
from bot.adapters.oss.policies import Policy, ram_policy, users_granted
from bot.cli.line import StoreAccess, open_line
from bot.cli.setup.change import Change
from bot.cli.setup.facts import ActualBucket, expect_new, look
from bot.cli.setup.plan import plan_creation, plan_removal, plan_setup
from bot.cli.setup.wish import DesiredBucket
from bot.clock import SystemClock
from bot.core.ports.clock import Clock
from bot.settings import Settings
from bot.settings.types import is_loopback

Agree = Callable[[Sequence[Change]], bool]
"""Asks a person about changes that touch more than ours."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a setup has done: the changes that were made, those that were not agreed to, notes in
    words, and the least that the RAM user needs.
    """

    planned: list[Change]
    made: list[Change]
    declined: list[Change]
    notes: list[str] = field(default_factory=list)
    ram: Policy = field(default_factory=dict)


async def run_setup(
    settings: Settings,
    wish: DesiredBucket,
    *,
    agree: Agree,
    remove: bool = False,
    dry_run: bool = False,
    clock: Clock | None = None,
) -> Outcome:
    """Make the bucket what `wish` says, or with `remove` take back what is ours.

    `agree` is asked once, before anything is changed, if any change touches more than our prefix
    and our statements. With `dry_run` nothing is asked and nothing is changed.

    Raises:
        OperationImpossible: the account blocks what the settings need.
        StoreError: OSS could not be asked, or refuses; earlier changes stay.
    """
    async with open_line(settings, clock or SystemClock()) as line:
        course = _Setup(line, BucketAdministration(line.oss), wish)
        planned = await course.plan(remove=remove)
        foreign = [change for change in planned if not change.ours]
        declined = foreign if not dry_run and foreign and not agree(foreign) else []
        made = [] if dry_run else await course.make(planned, declined)
        secure = not is_loopback(line.oss.address.upload_base)
        return Outcome(
            planned,
            made,
            declined,
            course.notes(),
            ram_policy(wish.bucket, wish.prefix, secure=secure),
        )


class _Setup:
    """One setup, step by step."""

    def __init__(
        self, line: StoreAccess, administration: BucketAdministration, wish: DesiredBucket
    ) -> None:
        self._line = line
        self._administration = administration
        self._wish = wish
        self._facts: ActualBucket | None = None

    async def plan(self, *, remove: bool) -> list[Change]:
        """Look, and return every change that is needed."""
        self._facts = await self._look()
        if remove:
            return plan_removal(self._facts, self._wish) if self._facts else []
        if self._facts is not None:
            return plan_setup(self._facts, self._wish)
        expected = await self._line.threads.call(
            lambda: expect_new(self._administration, self._wish.region)
        )
        return [plan_creation(self._wish), *plan_setup(expected, self._wish)]

    async def make(self, planned: Sequence[Change], declined: Sequence[Change]) -> list[Change]:
        """Make the changes, but those that were declined."""
        made: list[Change] = []
        left = [change for change in planned if change not in declined]
        if left and self._facts is None:
            await self._make(left[0])
            made.append(left[0])
            created = await self._look()
            # What it is in fact, which may differ from what was expected of a new one.
            left = plan_setup(replace(created, fresh=True), self._wish) if created else []
        for change in left:
            await self._make(change)
            made.append(change)
        return made

    async def _look(self) -> ActualBucket | None:
        return await self._line.threads.call(lambda: look(self._administration))

    async def _make(self, change: Change) -> None:
        await self._line.threads.call(lambda: change.make(self._administration))

    def notes(self) -> list[str]:
        """Return what a person should know and the program does not change."""
        facts, wish = self._facts, self._wish
        found = []
        if facts is not None and facts.info.versioning == "Enabled":
            found.append(
                "versioning is on: what is deleted stays as an old version, for a day below"
                f" {wish.prefix}; suspend it if nothing else in the bucket needs it"
            )
        if facts is not None and facts.info.redundancy not in {"LRS", ""}:
            found.append(
                f"redundancy is {facts.info.redundancy}, which costs more than LRS and cannot be"
                " changed back; a day's files hardly need it"
            )
        others = users_granted(facts.policy, wish.bucket) if facts is not None else []
        if others and wish.user is not None and (rest := set(others) - {wish.user}):
            found.append(f"the bucket policy also serves RAM user {', '.join(sorted(rest))}")
        return found
