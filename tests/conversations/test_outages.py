"""Faults that last a while, or until the operator acts: the user is told, and the job goes on."""

import os
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from urllib.parse import parse_qs, urlsplit

import pytest

from bot.demo.local_stack import LocalStack
from bot.sandbox.faults import Effect, Fault
from tests.conversations.fault_causes import (
    done,
    fill_disk,
    for_ever,
    give_key,
    hired,
    says,
)
from tests.conversations.leftovers import (
    LONGEST_WAIT,
    answered_later,
    assert_nothing_left,
    until_given_up,
    until_it_waits,
)
from tests.conversations.people import Person, fetch, link_of
from tests.fakes.fixtures import ROLES

pytestmark = pytest.mark.usefixtures("impatient")

CONTENT = os.urandom(300_000)
"""More than is kept in memory, so that it needs the disk."""
Act = Callable[[LocalStack], object]

NO_KEY = "The storage refused the bot’s key; tell the bot’s admin."
KEY_REFUSED = "the storage refuses the bot’s key (tell the bot’s admin)"
NO_RIGHT = (
    "The storage denied the bot access; ask the bot’s admin to check the permissions of its key."
)
NO_BUCKET = "The bot’s storage bucket does not exist; tell the bot’s admin."
ELSEWHERE = "The bot’s storage region is set incorrectly; tell the bot’s admin."
OVERDUE = "The bot’s storage account is overdue or frozen; tell the bot’s admin."
UNREACHABLE = "The bot could not reach the storage; send the file again in a few minutes."
NO_TELEGRAM = (
    "The bot could not reach Telegram to download the file; send it again in a few minutes."
)


def _key(entry: object) -> str:
    params = getattr(entry, "params", {})
    return str(params.get("key"))


@pytest.mark.parametrize(
    ("prepare", "sentence"),
    [
        pytest.param(
            lambda s: s.telegram.faults.add(for_ever("getFile", Effect.RESET)),
            NO_TELEGRAM,
            id="getFile",
            marks=pytest.mark.long,
        ),
        pytest.param(
            lambda s: s.telegram.faults.add(for_ever("file", Effect.HTML)),
            NO_TELEGRAM,
            id="download",
        ),
        pytest.param(lambda s: s.oss.stop(), UNREACHABLE, id="OSS"),
        pytest.param(
            lambda s: s.oss.faults.add(for_ever("PutObject", status=500)),
            UNREACHABLE,
            id="500",
            marks=pytest.mark.long,
        ),
    ],
)
async def test_trouble_that_never_ends(
    stage: LocalStack, alice: Person, prepare: Act, sentence: str
) -> None:
    """After twelve attempts, an hour and a half apart, the sender is told to try later."""
    await done(prepare(stage))
    waits, answer = await until_given_up(alice, await alice.send(CONTENT))
    stage.telegram.faults.clear()
    await stage.oss.stop()
    await stage.oss.start()

    assert waits == 11
    assert says(answer, sentence)
    await assert_nothing_left(alice)


@pytest.mark.parametrize(
    ("prepare", "cure", "reason"),
    [
        (
            lambda s: s.telegram.faults.add(for_ever("getFile", Effect.RESET)),
            lambda s: s.telegram.faults.clear(),
            "Telegram cannot be reached",
        ),
        (lambda s: s.oss.stop(), lambda s: s.oss.start(), "the storage cannot be reached"),
        (
            lambda s: s.oss.faults.add(
                Fault(
                    "PutObject", Effect.ERROR, 0, args={"status": 503, "x-oss-qos-delay-time": 9}
                )
            ),
            lambda s: s.oss.faults.clear(),
            "the storage is busy",
        ),
        (
            lambda s: s.oss.faults.add(for_ever("PutObject", Effect.WRONG_CRC)),
            lambda s: s.oss.faults.clear(),
            "a part was damaged during the transfer",
        ),
        (
            fill_disk,
            lambda _: None,
            "the disk is full",
        ),
    ],
    ids=["getFile", "OSS", "throttled", "CRC", "disk"],
)
async def test_trouble_that_ends(
    stage: LocalStack, alice: Person, prepare: Act, cure: Act, reason: str
) -> None:
    """Meanwhile the status message says why the job waits and when it is tried again; then the
    link comes.
    """
    await done(prepare(stage))
    message = await alice.send(CONTENT)
    await until_it_waits(alice, message)
    stage.clock.advance(timedelta(seconds=2))
    waits = f"a.bin\nWaiting: {reason}; next attempt in "
    await alice.until(
        lambda: any(
            status_message.text.startswith(waits) for status_message in alice.status_messages
        )
    )
    await done(cure(stage))
    stage.clock.advance(LONGEST_WAIT)
    answer = await alice.answered(message)

    assert (await fetch(link_of(answer)))[:2] == (200, CONTENT)
    await assert_nothing_left(alice, links=1)


@pytest.mark.parametrize(
    ("prepare", "cure", "sentence"),
    [
        (
            lambda s: give_key(s, allow=["oss:GetObject", "oss:DeleteObject"]),
            give_key,
            NO_RIGHT,
        ),
        (
            lambda s: s.oss.buckets.pop(s.bucket.name),
            lambda s: s.oss.buckets.setdefault(s.bucket.name, s.bucket),
            NO_BUCKET,
        ),
        (
            lambda s: setattr(s.bucket, "region", "cn-beijing"),
            lambda s: setattr(s.bucket, "region", s.oss.region),
            ELSEWHERE,
        ),
        (
            lambda s: s.oss.faults.add(for_ever("*", status=403, code="UserDisable")),
            lambda s: s.oss.faults.clear(),
            OVERDUE,
        ),
    ],
    ids=["right", "bucket", "region", "overdue"],
)
async def test_what_only_the_operator_can_cure(
    stage: LocalStack, alice: Person, prepare: Act, cure: Act, sentence: str
) -> None:
    """An error that repeating cannot cure is told at once, and once; after the cure nothing has to
    be tidied up by hand.
    """
    await _fails_once(stage, alice, prepare, cure, sentence)


@pytest.mark.parametrize(
    "prepare",
    [
        lambda s: give_key(s, enabled=False),
        lambda s: give_key(s, secret="other"),
        lambda s: s.oss.world.keys.clear(),
    ],
    ids=["disabled", "secret", "unknown"],
)
async def test_key_is_refused(
    stage: LocalStack, alice: Person, ledgers: str, prepare: Act
) -> None:
    """So it is where OSS does not know the key of a bot on one machine. Workers have keys of their
    own, and none fails a file for its key: the sender sees for what it waits, also where it was
    sent later, and has both links once the key works.
    """
    if ledgers != ROLES:
        await _fails_once(stage, alice, prepare, give_key, NO_KEY)
        return
    prepare(stage)
    waits = []
    for name in ("a.bin", "b.bin"):
        waits.append(await alice.send(CONTENT, name))
        await alice.until(partial(_is_held, alice, name))
    said = list(alice.said)
    asked = [_key(entry) for entry in stage.oss.log.of("PutObject")]
    give_key(stage)
    answers = [await answered_later(alice, message) for message in waits]

    assert said == []
    # The second is not even tried.
    assert [key.rpartition("/")[2] for key in asked if ".bin" in key] == ["a.bin"]
    for answer in answers:
        assert (await fetch(link_of(answer)))[:2] == (200, CONTENT)
    await assert_nothing_left(alice, links=2)
    assert len(alice.said) == 2


def _is_held(person: Person, name: str) -> bool:
    """Say whether the status message of a file tells that it waits for the key."""
    held = f"{name}\nWaiting: {KEY_REFUSED}"
    return any(shown.text == held for shown in person.status_messages)


async def _fails_once(
    stage: LocalStack, alice: Person, prepare: Act, cure: Act, sentence: str
) -> None:
    prepare(stage)
    answer = await alice.answered(await alice.send(CONTENT))
    asked = len([entry for entry in stage.oss.log.of("PutObject") if "a.bin" in _key(entry)])
    cure(stage)

    assert says(answer, sentence)
    assert asked == 1
    await assert_nothing_left(alice)
    assert alice.said == [answer]


async def test_region_of_the_settings_is_wrong(stage: LocalStack) -> None:
    """A bot with another region than its bucket starts, and tells its users."""
    alice = await hired(stage, RELAY_OSS__REGION="cn-beijing")
    answer = await alice.answered(await alice.send(CONTENT))

    assert says(answer, ELSEWHERE)


@pytest.mark.parametrize("hours", [1, -1])
async def test_clock_of_the_storage_differs(stage: LocalStack, alice: Person, hours: int) -> None:
    """An hour between the clocks is found out and corrected; the link works as long as it says, by
    the clock of the storage, and not a minute longer.
    """
    stage.oss.clock_skew = timedelta(hours=hours)
    answer = await alice.answered(await alice.send(CONTENT))
    url = link_of(answer)
    refused = [entry.status for entry in stage.oss.log if entry.status == 403]
    seconds = int(parse_qs(urlsplit(url).query)["x-oss-expires"][0])
    await stage.stop_bot()  # Or it would delete the object, and the link prove nothing.
    stage.clock.advance(timedelta(hours=23, minutes=54))
    alive = (await fetch(url))[:2]
    stage.clock.advance(timedelta(minutes=1))
    dead = (await fetch(url))[0]

    assert len(refused) >= 2  # The other one is what strangers get.
    assert timedelta(hours=23, minutes=54) < timedelta(seconds=seconds) <= timedelta(hours=24)
    assert alive == (200, CONTENT)
    assert dead == 403
    assert "in 23 h 54 min" in answer.text


@pytest.mark.parametrize("again", [0, 1])
async def test_webhook_of_another_program(
    stage: LocalStack, alice: Person, caplog: pytest.LogCaptureFixture, again: int
) -> None:
    """It is removed, with an error in the log, and the bot hears what was written meanwhile."""
    await alice.answered(await alice.write("/help"))
    await stage.telegram.intrude_webhook(again=again)
    message = await alice.send(CONTENT)
    answer = await alice.answered(message)

    assert (await fetch(link_of(answer)))[:2] == (200, CONTENT)
    assert caplog.text.count("another program changed the webhook") == 1 + again
    assert "again and again" not in caplog.text
