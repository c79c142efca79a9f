"""What cannot be relayed, and what stands in the way for a while: one clear sentence each time."""

import os
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from bot.demo.stage import Stage
from bot.sandbox.faults import Effect, Fault
from bot.sandbox.telegram import Shown
from tests.conversations.people import Person, fetch, link_of
from tests.conversations.traces import (
    LONGEST_WAIT,
    assert_nothing_left,
    second_tries_at_once,
    until_given_up,
    until_it_waits,
)

CONTENT = os.urandom(30_000)
THROTTLED = {"status": 503, "x-oss-qos-delay-time": 20}
Act = Callable[[Stage], object]

EMPTY = "The file is empty, so there is nothing to link to; check it and send it again."
NO_KEY = "The storage refused the bot’s key; tell the person who runs this bot."
NO_RIGHT = (
    "The storage does not let the bot do this; tell the person who runs this bot to check the"
    " permissions of its key."
)
NO_BUCKET = "The bot’s storage bucket does not exist; tell the person who runs this bot."
ELSEWHERE = "The bot looks for its storage in the wrong region; tell the person who runs this bot."
OVERDUE = "The bot’s storage account is overdue or frozen; tell the person who runs this bot."
UNREACHABLE = "The storage could not be reached; send the file again in a few minutes."
NO_TELEGRAM = "Telegram could not be reached for the file; send it again in a few minutes."
UNKNOWN = "Telegram no longer has this file; upload it to the chat again."
NO_ROOM = (
    "The file is larger than the disk space this bot may use; send a smaller one or tell the"
    " person who runs this bot."
)
FULL = "The bot’s disk is full; send the file again later or tell the person who runs this bot."


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Only the clock decides about waits."""
    with second_tries_at_once(monkeypatch):
        yield


def break_(operation: str, effect: Effect = Effect.ERROR, **args: str | int | float) -> Fault:
    """Return a fault that strikes for ever."""
    return Fault(operation, effect, times=0, args=args)


def says(answer: Shown, sentence: str, name: str = "a.bin") -> bool:
    """Say whether an answer is the name of the file and this one sentence."""
    return answer.text == f"{name}\n{sentence}"


async def hired(stage: Stage, **more: str) -> Person:
    """Return a person for whom a bot with further settings runs."""
    stage.more |= more
    person = Person(stage)
    await stage.start_bot(person.id)
    return person


async def done(result: object) -> None:
    """Wait for what is not done yet."""
    if isinstance(result, Awaitable):
        await result


def give_key(stage: Stage, *, secret: str = "", **rights: object) -> None:
    """Replace the bot's access key; without more it works and may do everything."""
    secret = secret or stage.oss.access_key_secret
    stage.oss.add_key(stage.oss.access_key_id, secret, **rights)  # type: ignore[arg-type] # passed on as given.


def fill_disk(stage: Stage) -> None:
    """Let the first attempt at the first job find a full disk.

    Every write to this device fails with ENOSPC; the second attempt puts a new file in its place.
    """
    spool = stage.folder / "spool"
    spool.mkdir()
    (spool / "1.part").symlink_to("/dev/full")


def _key(entry: object) -> str:
    params = getattr(entry, "params", {})
    return str(params.get("key"))


async def test_announced_as_empty(stage: Stage, alice: Person) -> None:
    """A file that is announced with 0 bytes is refused at once, without a `getFile`."""
    request = alice.chat.new_message(alice.user)
    alice.chat.place(request, by_bot=True)  # So that the bot is told only what follows.
    document = {"file_id": "x", "file_unique_id": "y", "file_name": "no.txt", "file_size": 0}
    await stage.telegram.send_raw_update({"message": {**request.json(), "document": document}})
    answer = await alice.answered(request)

    assert answer.text == EMPTY
    assert not stage.telegram.log.of("getFile")
    await assert_nothing_left(alice)


async def test_turns_out_empty(alice: Person) -> None:
    """A file of which nobody told the size, and of which no byte comes, is refused."""
    answer = await alice.answered(await alice.send(b"", "a.bin"))

    assert says(answer, EMPTY)
    await assert_nothing_left(alice)


@pytest.mark.parametrize(("announced", "told"), [(40_000, "39.1 KB"), (20_000, "19.5 KB")])
async def test_other_size_than_announced(alice: Person, announced: int, told: str) -> None:
    """A file that is shorter or longer than announced is tried three times, then given up."""
    message = await alice.send(CONTENT, announced_size=announced)
    waits, answer = await until_given_up(alice, message)

    assert waits == 2
    assert says(answer, f"Telegram announced {told} but handed over 29.3 KB; send the file again.")
    await assert_nothing_left(alice)


async def test_unknown_file(stage: Stage, alice: Person) -> None:
    """A file id that Telegram does not know is asked for twice, then given up."""
    stage.telegram.faults.add(
        break_("getFile", status=400, description="Bad Request: invalid file_id")
    )
    answer = await alice.answered(await alice.send(CONTENT))

    assert len(stage.telegram.log.of("getFile")) == 2
    assert says(answer, UNKNOWN)
    await assert_nothing_left(alice)


@pytest.mark.parametrize(
    ("prepare", "sentence"),
    [
        (lambda s: s.telegram.faults.add(break_("getFile", Effect.RESET)), NO_TELEGRAM),
        (lambda s: s.telegram.faults.add(break_("file", Effect.HTML)), NO_TELEGRAM),
        (lambda s: s.oss.stop(), UNREACHABLE),
        (lambda s: s.oss.faults.add(break_("PutObject", status=500)), UNREACHABLE),
    ],
    ids=["getFile", "download", "OSS", "500"],
)
async def test_trouble_that_never_ends(
    stage: Stage, alice: Person, prepare: Act, sentence: str
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
            lambda s: s.telegram.faults.add(break_("getFile", Effect.RESET)),
            lambda s: s.telegram.faults.clear(),
            "Telegram is out of reach",
        ),
        (lambda s: s.oss.stop(), lambda s: s.oss.start(), "the storage is out of reach"),
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
            lambda s: s.oss.faults.add(break_("PutObject", Effect.WRONG_CRC)),
            lambda s: s.oss.faults.clear(),
            "a piece arrived damaged",
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
    stage: Stage, alice: Person, prepare: Act, cure: Act, reason: str
) -> None:
    """While it lasts the status message says why the job waits and when it tries again; then the
    link comes.
    """
    await done(prepare(stage))
    message = await alice.send(CONTENT)
    await until_it_waits(alice, message)
    stage.clock.advance(timedelta(seconds=2))
    waits = f"a.bin\nWaiting: {reason}; next try in "
    await alice.until(lambda: any(card.text.startswith(waits) for card in alice.cards))
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
        (lambda s: give_key(s, enabled=False), give_key, NO_KEY),
        (lambda s: give_key(s, secret="other"), give_key, NO_KEY),
        (lambda s: s.oss.world.keys.clear(), give_key, NO_KEY),
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
            lambda s: s.oss.faults.add(break_("*", status=403, code="UserDisable")),
            lambda s: s.oss.faults.clear(),
            OVERDUE,
        ),
    ],
    ids=["right", "disabled", "secret", "unknown", "bucket", "region", "overdue"],
)
async def test_what_only_the_operator_can_cure(
    stage: Stage, alice: Person, prepare: Act, cure: Act, sentence: str
) -> None:
    """What no repetition can cure is told at once, and once; nothing has to be tidied up by hand
    after the cure.
    """
    prepare(stage)
    answer = await alice.answered(await alice.send(CONTENT))
    asked = len([entry for entry in stage.oss.log.of("PutObject") if "a.bin" in _key(entry)])
    cure(stage)

    assert says(answer, sentence)
    assert asked == 1
    await assert_nothing_left(alice)
    assert alice.said == [answer]


async def test_region_of_the_settings_is_wrong(stage: Stage) -> None:
    """A bot with another region than its bucket starts, and tells its users."""
    alice = await hired(stage, RELAY_OSS__REGION="cn-beijing")
    answer = await alice.answered(await alice.send(CONTENT))

    assert says(answer, ELSEWHERE)


async def test_file_is_larger_than_the_spool(stage: Stage) -> None:
    """A file for which there can never be room is refused before anything is fetched."""
    alice = await hired(stage, RELAY_SPOOL__QUOTA="20000")
    answer = await alice.answered(await alice.send(CONTENT))

    assert says(answer, NO_ROOM)
    assert not stage.telegram.log.of("getFile")
    await assert_nothing_left(alice)


async def test_disk_stays_too_full(stage: Stage) -> None:
    """Below the floor of free space nothing is fetched, and in the end the sender is told."""
    alice = await hired(stage, RELAY_SPOOL__KEEP_FREE="1000TB")
    waits, answer = await until_given_up(alice, await alice.send(CONTENT))

    assert waits == 11
    assert says(answer, FULL)
    assert not stage.telegram.log.of("getFile")
    await assert_nothing_left(alice)


@pytest.mark.parametrize("hours", [1, -1])
async def test_clock_of_the_storage_differs(stage: Stage, alice: Person, hours: int) -> None:
    """An hour between the clocks is found out and made good; the link works as long as is said,
    by the clock of the storage, and not a minute longer.
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
