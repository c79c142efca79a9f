"""From nothing to a working bot, as an operator does it; each command is a process."""

import os
import signal

import pytest

from bot.demo.local_stack import BUCKET, LocalStack
from bot.sandbox.faults import Effect, Fault
from bot.settings import load
from tests.conversations.operators import PATIENCE, end, run, start, talk
from tests.conversations.people import Person, fetch, link_of, sha256

FILE = ("--settings", "settings.toml")


@pytest.mark.long
@pytest.mark.timeout(180)
async def test_from_nothing_to_a_link(stage: LocalStack) -> None:
    """Init, setup, doctor, run, a file, a file from a shell, status, audit, stop: five minutes of
    an operator.
    """
    alice = Person(stage)
    del stage.oss.buckets[BUCKET]
    stage.more["RELAY_SPOOL__QUOTA"] = "64MiB"
    made = await run(stage, "init", *FILE, "--admin", str(alice.id))
    dry = await run(stage, "setup", *FILE, "--dry-run")
    existed = BUCKET in stage.oss.buckets
    done = await run(stage, "setup", *FILE)
    again, healthy = await run(stage, "setup", *FILE), await run(stage, "doctor", *FILE)

    assert (made.code, "there is none; relay-bot setup creates it" in made.out) == (1, True)
    assert [dry.code, existed, done.code, again.code, healthy.code] == [0, False, 0, 0, 0]
    assert ["would change" in dry.out, "nothing to change" in again.out] == [True, True]

    bot = await start(stage, "run", *FILE)
    await stage.telegram.wait_for(
        lambda: bool(stage.telegram.log.of("getUpdates")), timeout=PATIENCE
    )
    answer = await alice.answered(await alice.send(b"from alice", "a.txt"))
    sent = await run(stage, "send", *FILE, "--json", "--name", "b.txt", "-", typed=b"from shell")
    status = await run(stage, "status", *FILE, "--json")
    audit = await run(stage, "audit", *FILE)
    bot.send_signal(signal.SIGTERM)
    stopped = await end(bot)

    assert (await fetch(link_of(answer)))[:2] == (200, b"from alice")
    assert (await fetch(sent.json["link"]))[1:] == (b"from shell", "b.txt")
    assert sent.json["sha256"] == sha256(b"from shell")
    assert [link["name"] for link in status.json["links"]] == ["a.txt", "b.txt"]
    assert (status.json["bot_runs"], audit.code, stopped.code) == (True, 0, 0)


async def test_init_at_a_terminal(stage: LocalStack) -> None:
    """One question at a time: a wrong answer is asked again, the admin is the sender whom the
    operator confirmed, the bucket is created on a yes.
    """
    mallory, alice = Person(stage, "Mallory\x1b[2J"), Person(stage)
    await alice.write("it is me")
    await mallory.write("no, me")
    del stage.oss.buckets[BUCKET]
    given = stage.variables()
    key_id, secret = given["RELAY_OSS__ACCESS_KEY_ID"], given["RELAY_OSS__ACCESS_KEY_SECRET"]
    ended = await talk(
        stage,
        (
            "init",
            "--base-url",
            given["RELAY_TELEGRAM__BASE_URL"],
            "--endpoint",
            given["RELAY_OSS__ENDPOINT"],
        ),
        [
            ("Token", "9:no-such-token-anywhere"),
            ("Token", given["RELAY_TELEGRAM__TOKEN"]),
            ("Region", ""),
            ("AccessKey id", key_id),
            ("AccessKey secret", "a-wrong-secret"),
            ("AccessKey id", key_id),
            ("AccessKey secret", secret),
            ("Bucket", BUCKET),
            ("Create it", "y"),
            ("Links", ""),
            ("press Enter", ""),
            ("Is that the admin", "n"),
            ("Is that the admin", "y"),
        ],
    )
    settings = load(stage.folder / "settings.toml", {})

    assert (settings.access.admins, settings.link.mode.value) == ((alice.id,), "signed")
    assert (BUCKET in stage.oss.buckets, "\x1b[2J" in ended.out) == (True, False)
    assert ["Telegram refuses" in ended.out, "SignatureDoesNotMatch" in ended.out] == [True, True]
    assert secret not in ended.out


async def test_a_stopped_send_leaves_nothing(stage: LocalStack) -> None:
    """Ctrl-C in the middle of a file: one line, and neither upload nor spool file is left."""
    stage.oss.faults.add(Fault("UploadPart", Effect.STALL, times=0))
    (stage.folder / "big.bin").write_bytes(os.urandom(1 << 20) * 12)
    process = await start(stage, "send", "big.bin")
    await stage.oss.wait_for(lambda: bool(stage.bucket.uploads))
    await stage.oss.wait_for(lambda: bool(stage.oss.log.of("UploadPart")))
    process.send_signal(signal.SIGINT)
    stopped = await end(process)

    assert (stopped.code, "Traceback" in stopped.err) == (1, False)
    assert "nothing of the unfinished file is left" in stopped.err
    assert (stage.bucket.uploads, stage.bucket.objects) == ({}, {})


@pytest.mark.long
async def test_a_terminated_pipe_leaves_nothing(stage: LocalStack) -> None:
    """SIGTERM while a pipe is still silent: the same, at once."""
    reading, writing = os.pipe()
    process = await start(stage, "send", "-", stdin=reading)
    os.write(writing, b"the beginning")
    await stage.oss.wait_for(lambda: bool(stage.oss.log.of("DeleteObject")))
    process.send_signal(signal.SIGTERM)
    stopped = await end(process)
    os.close(reading)
    os.close(writing)

    assert (stopped.code, "Traceback" in stopped.err) == (1, False)
    assert (stage.bucket.uploads, stage.bucket.objects) == ({}, {})
    assert [path.name for path in stage.folder.glob("spool/*")] == []


@pytest.mark.long
async def test_setup_at_a_terminal(stage: LocalStack) -> None:
    """The operator is asked for the RAM user, and before the bucket as a whole is changed."""
    path = stage.folder / "settings.toml"
    made = await run(stage, "init", *FILE, "--admin", "7")
    ended = await talk(
        stage, ("setup", *FILE), [("UID of a RAM user", "42"), ("Change this", "y")]
    )
    policy = stage.bucket.policy

    assert (made.code, ended.code, path.exists()) == (0, 0, True)
    assert stage.bucket.blocks_public_access
    assert policy is not None
    assert {statement.principals for statement in policy.statements} == {("42",)}
