"""A front and workers on one ledger, in the process of the test: what people see of it."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from bot import worker
from bot.adapters.ledger import runs
from bot.adapters.telegram.download import MinimumThroughput
from bot.core.ports.runs import Role
from bot.demo.local_stack import LocalStack
from bot.jobs import remote
from bot.sandbox.faults import Effect, Fault
from bot.wiring import bot as wiring
from bot.wiring.roles import place_of
from tests.conversations.fault_causes import give_key
from tests.conversations.people import Person, fetch, link_of
from tests.conversations.test_ledger_server_away import until_ready
from tests.conversations.test_webhook import free_port
from tests.fakes.postgres import Databases
from tests.fakes.roles import Cluster
from tests.wiring.test_monitoring import get, ready

pytestmark = [pytest.mark.long, pytest.mark.in_a_file]

MIB = 1 << 20
ARRIVED = 4 * MIB
"""Bytes of a held file that arrive."""


@pytest.fixture
async def stage(tmp_path: Path, databases: Databases) -> AsyncIterator[LocalStack]:
    """Both stand-ins, for processes whose ledger is on a server."""
    place = databases.make()
    more = {"RELAY_LEDGER__URL": place.url, "RELAY_STOP__GRACE": "0s"}
    async with LocalStack(tmp_path, more=more) as stage:
        yield stage
    databases.drop(place)


@pytest.fixture
def alice(stage: LocalStack) -> Person:
    """A user of the bot."""
    return Person(stage)


@pytest.fixture
async def cluster(stage: LocalStack, alice: Person) -> AsyncIterator[Cluster]:
    """No process yet."""
    async with Cluster(stage, alice.id) as made:
        yield made


async def held(cluster: Cluster, alice: Person, seconds: int = 60) -> bytes:
    """Send a file that arrives only in part, in the first attempt; return it once OSS has that
    part and the sender sees it.
    """
    stage, content = cluster.stage, os.urandom(8 * MIB)
    hang = Fault("file", Effect.STALL, args={"bytes": ARRIVED, "seconds": seconds})
    stage.telegram.faults.add(hang)
    await alice.send(content, "held.bin")
    await alice.until(lambda: bool(alice.status_messages))
    await stage.oss.wait_for(
        lambda: sum(len(one.parts) for one in stage.bucket.uploads.values()) == ARRIVED // MIB
    )
    await alice.until(lambda: "MB of" in alice.status_messages[0].text)
    await cluster.until("SELECT count(message_id) FROM cards", [(1,)])
    return content


def add_mute_worker(cluster: Cluster, alice: Person) -> None:
    """Add one that has slots, and a fence of its own, but fetches nothing."""
    place, _ = place_of(cluster.stage.settings(alice.id))
    cluster.query("INSERT INTO leases VALUES ('worker-mute', 'test', 1, 9000000000000000)")
    cluster.query(f"INSERT INTO workers VALUES ('mute', 1, 1, '{place}', '', '1', 0)")  # noqa: S608 -- ours.


async def says(port: int, why: str) -> None:
    """Wait until a process, which may have no port yet, gives this as a reason."""
    reasons: list[str] = []
    async with asyncio.timeout(30):
        while not any(why in reason for reason in reasons):
            with suppress(aiohttp.ClientError):
                _, reasons = await ready(port)
            await asyncio.sleep(0.05)


async def is_answered(alice: Person, content: bytes) -> bool:
    """Wait for one answer; return whether its link opens these bytes."""
    await alice.until(lambda: len(alice.said) == 1 and not alice.status_messages)
    return (await fetch(link_of(alice.said[0])))[1] == content


async def test_without_a_worker(cluster: Cluster, alice: Person) -> None:
    """A file waits, readiness says for what, and it goes on when a worker comes."""
    port = free_port()
    cluster.stage.more["RELAY_WEB__PORT"] = str(port)
    await cluster.front()
    why = await until_ready(cluster.stage, 503)
    await alice.send(b"patience", "a.bin")
    await alice.until(lambda: bool(alice.status_messages))
    await cluster.worker("late", RELAY_WEB__PORT=str(free_port()))
    answered = await is_answered(alice, b"patience")
    await until_ready(cluster.stage, 200)
    _, page = await get(port, "/metrics")

    assert "relay_workers 1.0" in page
    assert "relay_worker_slots 4.0" in page
    assert any("no worker runs" in reason for reason in why), why
    assert answered


async def test_as_many_as_there_are_slots(cluster: Cluster, alice: Person) -> None:
    """Each worker has as many as it takes; the next waits, and has its turn."""
    more = {"RELAY_TRANSFER__AT_ONCE": "1", "RELAY_TRANSFER__PER_OWNER": "1"}
    people = [alice, *(Person(cluster.stage, name) for name in ("Ben", "Cleo"))]
    users = ",".join(str(person.id) for person in people)
    cluster.stage.more["RELAY_ACCESS__USERS"] = users
    await cluster.front()
    await cluster.worker("left", **more)
    await cluster.worker("right", **more)
    hang = Fault("file", Effect.STALL, times=2, args={"bytes": 10, "seconds": 60})
    cluster.stage.telegram.faults.add(hang)
    for person in people:
        await person.send(b"x" * 1000, "a.bin")
    await cluster.until("SELECT worker FROM runs ORDER BY worker", [("left",), ("right",)])
    await people[2].until(lambda: bool(people[2].status_messages))
    waits = cluster.query("SELECT state FROM jobs ORDER BY id")
    await cluster.worker("third", **more)
    await people[2].until(lambda: len(people[2].said) == 1)

    assert waits == [("running",), ("running",), ("queued",)]


async def test_worker_stops_in_the_middle_of_a_file(cluster: Cluster, alice: Person) -> None:
    """It gives the file back; another goes on at once, in the same status message, with the parts
    that OSS has.
    """
    await cluster.front()
    first = await cluster.worker("first")
    content = await held(cluster, alice)
    shown = alice.status_messages[0].id
    await cluster.worker("second")
    await first.end()
    answered = await is_answered(alice, content)
    sent = cluster.stage.oss.log.of("UploadPart")
    silent = {e.message.id for e in alice.chat.history if e.by_bot and e.message.silent}

    assert answered
    assert silent == {shown}
    assert set(Counter(request.params["partNumber"] for request in sent).values()) == {1}
    assert cluster.query("SELECT attempt, crashes FROM jobs") == [(2, 0)]


@pytest.mark.parametrize("restarts", [False, True], ids=["the same front", "another front"])
async def test_what_a_worker_had_goes_on_first(
    cluster: Cluster,
    alice: Person,
    restarts: bool,  # noqa: FBT001 -- a parameter of the test.
) -> None:
    """A file whose worker has ended does not wait behind those that have not begun."""
    bob = Person(cluster.stage, "Bob")
    both = {"RELAY_ACCESS__USERS": f"{alice.id},{bob.id}"}
    one = {"RELAY_TRANSFER__AT_ONCE": "1", "RELAY_TRANSFER__PER_OWNER": "1"}
    hang = Fault("file", Effect.STALL, skip=1, args={"bytes": 10, "seconds": 60})
    cluster.stage.telegram.faults.add(hang)
    front = await cluster.front(**both)
    files = ((bob, "done"), (bob, "waits"), (alice, "begun"))
    for count, (person, name) in enumerate(files, start=1):
        await person.send(b"x" * 1000, name)
        await cluster.until("SELECT count(*) FROM jobs", [(count,)])
    first = await cluster.worker("first", **one)
    await cluster.until("SELECT job_id FROM runs WHERE attempt > 0", [(3,)])
    await first.end()
    if restarts:
        await front.end()
        await cluster.front(**both)
    await cluster.worker("second", **one)
    await cluster.until("SELECT count(*) FROM jobs WHERE state = 'done'", [(3,)])

    assert cluster.query("SELECT name FROM jobs ORDER BY finished_at") == [
        ("done",),
        ("begun",),
        ("waits",),
    ]


async def test_front_restarts_while_a_worker_runs(
    cluster: Cluster, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker goes on; the new front takes its run over, and shows it in the same message."""
    # A download that hangs is tried again after five real seconds instead of twenty.
    hurried = partial(MinimumThroughput, patience=timedelta(seconds=5))
    monkeypatch.setattr(wiring, "MinimumThroughput", hurried)
    front = await cluster.front()
    await cluster.worker("only")
    content = await held(cluster, alice)
    shown = alice.status_messages[0]
    await front.end()
    meanwhile = alice.shown(shown).text
    await cluster.front()
    cluster.query("SELECT pg_notify('relay_runs', '')")
    await cluster.until("SELECT worker FROM runs", [("only",)])
    # The download is tried again in the same attempt, once it has hung for long.
    cluster.stage.clock.advance(timedelta(minutes=2))
    answered = await is_answered(alice, content)

    assert "Paused" not in meanwhile
    assert answered
    assert cluster.query("SELECT attempt FROM jobs") == [(1,)]


async def test_front_dies_before_it_tells_of_a_cancel(cluster: Cluster, alice: Person) -> None:
    """What it has stored is enough: the next look tells the worker."""
    await cluster.front()
    await cluster.worker("only")
    await held(cluster, alice)
    shown = alice.status_messages[0]
    cluster.query("UPDATE jobs SET cancel_requested = true")
    await alice.until(lambda: "ancelled" in alice.shown(shown).text)
    await cluster.stage.oss.wait_for(lambda: not cluster.stage.bucket.uploads)

    assert cluster.query("SELECT count(*) FROM runs") == [(0,)]


async def test_job_that_the_engine_has_lost(
    cluster: Cluster, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is handed over again."""
    monkeypatch.setattr(runs, "UNTAKEN_FOR", timedelta(seconds=0.5))
    monkeypatch.setattr(remote, "ENGINE_EVERY", 0.5)
    await cluster.front()
    add_mute_worker(cluster, alice)
    await alice.send(b"lost and found", "a.bin")
    await cluster.until("SELECT count(*) FROM procrastinate_jobs", [(1,)])
    cluster.query("DELETE FROM procrastinate_jobs")
    await cluster.until("SELECT count(*) FROM procrastinate_jobs", [(1,)])
    await cluster.worker("only")

    assert await is_answered(alice, b"lost and found")


@pytest.mark.parametrize(
    "other",
    [
        {"RELAY_LINK__MODE": "public"},
        {"RELAY_OSS__BUCKET": "another"},
        {"RELAY_OSS__BUCKET": "missing"},
        {"RELAY_LINK__LIFETIME": "1h"},
    ],
    ids=str,
)
async def test_worker_with_other_settings(
    cluster: Cluster, alice: Person, other: dict[str, str]
) -> None:
    """It has no job, because it would do another thing with the file; readiness says what it is
    for.
    """
    port = free_port()
    cluster.stage.oss.add_bucket("another")
    await cluster.front(RELAY_WEB__PORT=str(port))
    await cluster.worker("odd", **other)
    await says(port, "; this front needs bot 123456, signed links in relay-sandbox for")
    await alice.send(b"as promised", "a.bin")
    await cluster.worker("good")
    answered = await is_answered(alice, b"as promised")
    (kept,) = cluster.stage.bucket.objects.values()

    assert answered
    assert "x-oss-signature" in link_of(alice.said[0])
    assert kept.acl != "public-read"
    assert "in 23 h" in alice.said[0].text


async def test_settings_that_change_while_a_run_waits(
    cluster: Cluster, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that no worker has taken is handed over anew, to those with the new settings."""
    monkeypatch.setattr(runs, "UNTAKEN_FOR", timedelta(seconds=0.5))
    monkeypatch.setattr(remote, "ENGINE_EVERY", 0.5)
    front = await cluster.front()
    add_mute_worker(cluster, alice)
    await alice.send(b"under way", "a.bin")
    await cluster.until("SELECT count(*) FROM procrastinate_jobs", [(1,)])
    await front.end()
    cluster.stage.more["RELAY_LINK__LIFETIME"] = "2h"
    await cluster.front()
    await cluster.worker("only")

    assert await is_answered(alice, b"under way")


async def test_worker_whose_disk_is_full(cluster: Cluster, alice: Person) -> None:
    """It rests beside one that has room, after the first file, which that one relays."""
    port, content = free_port(), os.urandom(2 * MIB)
    await cluster.front()
    full = {"RELAY_SPOOL__KEEP_FREE": "1000TB", "RELAY_WEB__PORT": str(port)}
    await cluster.worker("full", **full)
    await cluster.until("SELECT count(*) FROM workers WHERE slots > 0", [(1,)])
    # One that has slots, but fetches nothing, until the first attempt has failed.
    cluster.query("INSERT INTO leases VALUES ('worker-mute', 'test', 1, 9000000000000000)")
    cluster.query(
        "INSERT INTO workers (name, fence, slots, place, root, version, started_at)"
        " SELECT 'mute', 1, 1, place, root, version, 0 FROM workers WHERE name = 'full'"
    )
    await alice.send(content, "a.bin")
    await says(port, "no job is taken")
    await cluster.worker("roomy")
    answered = await is_answered(alice, content)

    assert answered
    assert cluster.query("SELECT attempt, failures FROM jobs") == [(2, 1)]


async def test_worker_whose_key_is_refused(cluster: Cluster, alice: Person) -> None:
    """It takes no job, and fails none: from the start, and from the moment at which it is."""
    port = free_port()
    more = {"RELAY_OSS__ACCESS_KEY_SECRET": "of-another-key", "RELAY_WEB__PORT": str(port)}
    await cluster.front()
    cluster.begin(Role.WORKER, "bad", **more)
    await says(port, "no job is taken")
    await cluster.worker("good")
    await alice.send(b"the first", "a.bin")
    first = await is_answered(alice, b"the first")
    # As if the key was refused only now.
    refused: dict[str, str | int | float] = {"status": 403, "code": "InvalidAccessKeyId"}
    cluster.stage.oss.faults.add(Fault("PutObject", Effect.ERROR, args=refused))
    await alice.send(b"once more", "b.bin")
    await alice.until(lambda: len(alice.said) == 2)

    assert first
    assert (await fetch(link_of(alice.said[1])))[1] == b"once more"
    assert cluster.query("SELECT failures FROM jobs ORDER BY id") == [(0,), (1,)]


async def test_front_says_why_no_job_is_taken(cluster: Cluster) -> None:
    """Readiness of the front names the worker and the error of OSS, until the key works."""
    port, secret = free_port(), cluster.stage.oss.access_key_secret
    cluster.stage.more["RELAY_WEB__PORT"] = str(port)
    await cluster.front()
    give_key(cluster.stage, secret="other")
    cluster.begin(Role.WORKER, "only", RELAY_WEB__PORT=str(free_port()))
    await says(port, "no jobs are taken now by only (store_key_refused)")
    give_key(cluster.stage, secret=secret)

    await cluster.until("SELECT slots, obstacle FROM workers", [(4, "")])


async def test_worker_whose_key_lacks_a_right(
    cluster: Cluster, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker may have it, so it takes the file, and the first takes none for a while. What
    is denied to the last worker fails: the bucket may deny it to all.
    """
    monkeypatch.setattr(worker, "DENIED_FOR", 3600.0)
    oss = cluster.stage.oss
    oss.add_key("LTAI-poor", "poor", allow=["oss:GetObject", "oss:ListMultipartUploads"])
    poor = {"RELAY_OSS__ACCESS_KEY_ID": "LTAI-poor", "RELAY_OSS__ACCESS_KEY_SECRET": "poor"}
    await cluster.front()
    await cluster.worker("poor", **poor)
    # It has a slot, and takes nothing.
    add_mute_worker(cluster, alice)
    await alice.send(b"denied once", "a.bin")
    await cluster.until(
        "SELECT name, slots, obstacle FROM workers ORDER BY name",
        [("mute", 1, ""), ("poor", 0, "store_forbidden")],
    )
    cluster.query("DELETE FROM leases WHERE name = 'worker-mute'")
    await cluster.worker("good")
    first = await is_answered(alice, b"denied once")
    give_key(cluster.stage, allow=["oss:GetObject", "oss:ListMultipartUploads"])
    await alice.send(b"denied to all", "b.bin")
    await alice.until(lambda: len(alice.said) == 2)

    assert first
    assert "denied the bot access" in alice.said[1].text
    assert cluster.query("SELECT state, attempt FROM jobs ORDER BY id") == [
        ("done", 2),
        ("failed", 1),
    ]


LATEST = ("jobs", "objects", "runs")


async def test_server_that_lacks_the_end_of_a_job(
    cluster: Cluster, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replica that took over may be older than what front and worker have seen: the job is run
    again, though its worker lives and the front has seen its end.
    """
    monkeypatch.setattr(remote, "COMPARED_EVERY", 2.0)
    await cluster.front()
    await cluster.worker("only")
    content = await held(cluster, alice, seconds=4)
    for table in LATEST:
        cluster.query(
            f"CREATE SCHEMA IF NOT EXISTS old; CREATE TABLE old.{table} AS TABLE {table}"
        )
    assert await is_answered(alice, content)
    await cluster.until("SELECT count(*) FROM runs", [(0,)])
    older = (f"DELETE FROM {t}; INSERT INTO {t} SELECT * FROM old.{t}" for t in LATEST)  # noqa: S608
    cluster.query(f"SET session_replication_role = replica; {';'.join(older)}")

    await cluster.until("SELECT state FROM jobs", [("done",)])
    await cluster.until("SELECT count(*) FROM runs", [(0,)])
    await cluster.until("SELECT state FROM objects", [("live",)])
    assert (await fetch(link_of(alice.said[0])))[1] == content


async def test_standby(cluster: Cluster, alice: Person) -> None:
    """A second front waits, says so, and goes on as soon as the first has ended."""
    port = free_port()
    first = await cluster.front()
    await cluster.worker("only")
    second = cluster.begin(Role.FRONT, RELAY_WEB__PORT=str(port))
    await says(port, "standby: ")
    await first.end()
    await second.until_ready()
    answer = await alice.answered(await alice.send(b"to the second", "a.bin"))

    assert (await fetch(link_of(answer)))[1] == b"to the second"


async def test_files_of_another_server(tmp_path: Path, databases: Databases) -> None:
    """In local mode a job goes only where its file is; readiness says where that is."""
    place = databases.make()
    port = free_port()
    more = {"RELAY_LEDGER__URL": place.url, "RELAY_STOP__GRACE": "0s"}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    async with LocalStack(tmp_path / "stage", more=more, local=True) as stage:
        alice = Person(stage)
        stage.more["RELAY_WEB__PORT"] = str(port)
        async with Cluster(stage, alice.id) as cluster:
            await cluster.worker(
                "blind",
                RELAY_TELEGRAM__FILE_ROOT=str(elsewhere),
                RELAY_WEB__PORT=str(free_port()),
            )
            await cluster.front()
            await alice.send(b"here", "a.bin")
            await alice.until(lambda: bool(alice.status_messages))
            why = await until_ready(stage, 503)
            taken = cluster.query("SELECT count(*) FROM runs")
            await cluster.worker("seeing", RELAY_WEB__PORT=str(free_port()))
            answered = await is_answered(alice, b"here")
    databases.drop(place)

    assert answered
    assert taken == [(0,)]
    assert any("blind is for " in reason for reason in why), why
