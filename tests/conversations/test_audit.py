"""The audit between ledger and bucket: every fault that it must find, and a busy bot."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from functools import partial

import pytest

from bot.cli.status import run_audit
from bot.demo.local_stack import BUCKET, LocalStack
from bot.jobs.audit import FindingKind
from bot.sandbox.oss.policy import parse_policy
from tests.conversations.foreign_objects import initiate, put
from tests.conversations.people import Person, fetch, link_of, links_of

LIFETIME = timedelta(hours=23, minutes=55)
MIB = 1 << 20


async def _audit(stage: LocalStack, *, fix: bool = False) -> list[tuple[FindingKind, str, bool]]:
    found = await run_audit(stage.settings(), fix=fix, clock=stage.clock)
    return [(finding.kind, finding.subject, finding.fixed) for finding in found]


@pytest.fixture
async def link(stage: LocalStack, alice: Person) -> str:
    """A live link; the bot that made it has ended."""
    answer = await alice.answered(await alice.send(os.urandom(2000)))
    await stage.stop_bot()
    return link_of(answer)


async def test_overdue_object(stage: LocalStack, link: str) -> None:
    """An object that was not deleted is found once it is more than a minute late."""
    (key,) = stage.bucket.objects
    stage.clock.advance(LIFETIME + timedelta(seconds=30))
    soon = await _audit(stage)
    stage.clock.advance(timedelta(seconds=60))
    found, fixed, after = await _audit(stage), await _audit(stage, fix=True), await _audit(stage)

    assert soon == []
    assert [(FindingKind.OVERDUE, key, False)] == found
    assert [(FindingKind.OVERDUE, key, True)] == fixed
    assert (after, stage.bucket.objects) == ([], {})
    assert (await fetch(link))[0] == 403


@pytest.mark.usefixtures("link")
async def test_unknown_object(stage: LocalStack) -> None:
    """An object that the ledger does not know is found once it is older than a day."""
    put(stage, "young", age=timedelta(hours=23))
    old = put(stage, "old", age=timedelta(hours=25))
    found, fixed, after = await _audit(stage), await _audit(stage, fix=True), await _audit(stage)

    assert [(FindingKind.UNKNOWN, old, False)] == found
    assert [(FindingKind.UNKNOWN, old, True)] == fixed
    assert after == []
    assert old not in stage.bucket.objects
    assert len(stage.bucket.objects) == 2


@pytest.mark.usefixtures("link")
async def test_orphan_upload(stage: LocalStack) -> None:
    """A pending upload without a job that continues it is found once it is older than a minute."""
    initiate(stage, "young", age=timedelta(seconds=30))
    old = initiate(stage, "old", age=timedelta(minutes=2))
    found, fixed, after = await _audit(stage), await _audit(stage, fix=True), await _audit(stage)

    assert [(FindingKind.ORPHAN_UPLOAD, old, False)] == found
    assert [(FindingKind.ORPHAN_UPLOAD, old, True)] == fixed
    assert after == []
    assert list(stage.bucket.uploads) == ["YOUNG"]


async def test_missing_object(stage: LocalStack, alice: Person, link: str) -> None:
    """A link whose object has vanished is found; afterwards the answer no longer offers it."""
    (key,) = stage.bucket.objects
    stage.bucket.objects.clear()
    found, fixed, after = await _audit(stage), await _audit(stage, fix=True), await _audit(stage)
    await stage.start_bot(alice.id)
    await alice.until(lambda: not any(said.buttons for said in alice.said))

    assert [(FindingKind.MISSING, key, False)] == found
    assert [(FindingKind.MISSING, key, True)] == fixed
    assert after == []
    assert (await fetch(link))[0] == 404


@pytest.mark.parametrize("mode", ["signed", "public"])
@pytest.mark.usefixtures("link")
async def test_anonymous_listing(stage: LocalStack, mode: str) -> None:
    """A bucket that strangers can list is found in both modes; only its owner can repair it."""
    stage.more["RELAY_LINK__MODE"] = mode
    stage.bucket.acl = "public-read"

    assert await _audit(stage, fix=True) == [(FindingKind.ANONYMOUS_LISTING, BUCKET, False)]


@pytest.mark.parametrize(
    ("mode", "found"),
    [("signed", [(FindingKind.ANONYMOUS_READING, BUCKET, False)]), ("public", [])],
)
@pytest.mark.usefixtures("link")
async def test_anonymous_reading(
    stage: LocalStack, mode: str, found: list[tuple[FindingKind, str, bool]]
) -> None:
    """A policy that lets strangers read private objects is found where objects are private."""
    stage.more["RELAY_LINK__MODE"] = mode
    statement = {
        "Effect": "Allow",
        "Principal": ["*"],
        "Action": ["oss:GetObject"],
        "Resource": [f"acs:oss:*:*:{BUCKET}/*"],
    }
    stage.bucket.policy = parse_policy(json.dumps({"Version": "1", "Statement": [statement]}))

    assert found == await _audit(stage, fix=True)
    assert len(stage.bucket.objects) == 1


async def test_silent_beside_a_busy_bot(stage: LocalStack) -> None:
    """Nothing that a running bot does is taken for a fault: transfers, cancels, deleted links and
    links that end, however long the transfers take.
    """
    stage.more |= {"RELAY_TRANSFER__AT_ONCE": "8", "RELAY_TRANSFER__PER_OWNER": "2"}
    people = [Person(stage, name) for name in ("Alice", "Bob", "Carol")]
    await stage.start_bot(*(person.id for person in people))
    stage.telegram.shape.down_total = 6.0 * MIB
    # Held by code that must not be in the middle of a request when the time jumps.
    jump = asyncio.Lock()
    busy = asyncio.create_task(_be_busy(stage, people, jump))
    found, audits = [], 0
    while not busy.done():
        async with jump:
            found += await _audit(stage)
        audits += 1
        # Without a pause the audits would take most of the processor.
        await asyncio.wait({busy}, timeout=0.1)
    await busy
    print(f"{audits} audits beside {Counter(r.operation for r in stage.oss.log)}")  # noqa: T201 -- shown by `pytest -s`.

    assert found == []
    assert audits >= 10
    assert (await _audit(stage), stage.bucket.objects, stage.bucket.uploads) == ([], {}, {})


async def _be_busy(stage: LocalStack, people: list[Person], jump: asyncio.Lock) -> None:
    for number in range(3):
        for person in people:
            await person.send(os.urandom(3 * MIB), f"{number}.bin")
    await asyncio.gather(*(person.until(partial(_has_card, person)) for person in people))
    alice, bob, carol = people
    await alice.press(
        alice.status_messages[0], _button(alice.status_messages[0].buttons, "Cancel")
    )
    # From now on every upload that is under way is older than the tolerance.
    async with jump:
        stage.clock.advance(timedelta(minutes=2))
    await asyncio.gather(
        *(
            person.until(partial(_has_links, person, count))
            for person, count in zip(people, (2, 3, 3), strict=True)
        )
    )
    first = bob.said[0]
    await bob.press(first, _button(first.buttons, "Delete"))
    await bob.until(lambda: bob.shown(first) != first)
    while links := [stored for key, stored in stage.bucket.objects.items() if "probe-" not in key]:
        oldest = min(links, key=lambda stored: stored.last_modified)
        async with jump:
            due_in = oldest.last_modified + LIFETIME - stage.clock.now()
            stage.clock.advance(max(due_in, timedelta(0)) + timedelta(seconds=1))
        await stage.oss.wait_for(partial(_is_gone, stage, oldest.key))
    await carol.until(lambda: not any(said.buttons for said in carol.said))


def _has_card(person: Person) -> bool:
    return bool(person.status_messages)


def _has_links(person: Person, count: int) -> bool:
    return sum(len(links_of(said)) for said in person.said) == count


def _is_gone(stage: LocalStack, key: str) -> bool:
    return key not in stage.bucket.objects


def _button(rows: Iterable[Iterable[object]], word: str) -> str:
    renderer = [str(getattr(button, "text", "")) for row in rows for button in row]
    return next(text for text in renderer if text.startswith(word))
