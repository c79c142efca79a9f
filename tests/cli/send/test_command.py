"""Sending as an operator types it."""

import asyncio
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from bot.cli.send import _bar, _look
from bot.core.jobs import ProgressMeter
from bot.demo.local_stack import LocalStack
from tests.cli.shell import type_in
from tests.conversations.people import fetch, sha256


def make(stage: LocalStack, name: str, content: bytes) -> Path:
    """Write a file to send."""
    path = stage.folder / name
    path.write_bytes(content)
    return path


async def test_two_files(stage: LocalStack) -> None:
    """Each file is one JSON object with a link that opens; the note goes to standard error."""
    names = [str(make(stage, "a.txt", b"aaa")), str(make(stage, "b.txt", b"bbbb"))]
    done = await type_in(stage, "send", "--json", *names)
    sent = [json.loads(line) for line in done.out.splitlines()]

    assert (done.code, [line["size"] for line in sent]) == (0, [3, 4])
    assert (await fetch(sent[1]["link"]))[:2] == (200, b"bbbb")
    assert sent[0]["sha256"] == sha256(b"aaa")
    assert "no bot runs" in done.err


async def test_for_people(stage: LocalStack) -> None:
    """A person reads name, size, link, SHA-256 and end."""
    done = await type_in(stage, "send", str(make(stage, "a.txt", b"aaa")))
    name, link, digest, end = done.out.splitlines()

    assert (name, digest) == ("a.txt, 3 B", f"SHA-256 {sha256(b'aaa')}")
    assert (link.startswith("http"), end.startswith("ends ")) == (True, True)


async def test_a_named_pipe(stage: LocalStack) -> None:
    """A FIFO is read to its end, also where its writer comes later; the file gets its own name."""
    fifo = stage.folder / "fifo"
    os.mkfifo(fifo)
    sending = asyncio.create_task(type_in(stage, "send", "--json", "--name", "é.txt", str(fifo)))
    await asyncio.to_thread(fifo.write_bytes, b"from a pipe")
    done = await sending

    assert (done.code, done.json["name"], done.json["size"]) == (0, "é.txt", 11)
    assert (await fetch(done.json["link"]))[1] == b"from a pipe"


@pytest.mark.parametrize("word", ["-", "/dev/stdin"])
async def test_standard_input(
    stage: LocalStack, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a shell redirects is sent under a name of its own, by either way to write it."""
    with make(stage, "a.txt", b"aaa").open("rb") as file:
        monkeypatch.setattr("bot.cli.send.sys", SimpleNamespace(stdin=file))
        done = await type_in(stage, "send", "--json", word)

    assert (done.json["name"], done.json["size"]) == ("stdin.bin", 3)


@pytest.mark.parametrize(("stored", "shown"), [(0, 0), (10, 10)])
async def test_the_bar_counts_confirmed_bytes(stored: int, shown: int) -> None:
    """Bytes that a connection took and OSS has not confirmed do not move it."""
    meter = ProgressMeter()
    meter.set_part(1, 10)
    meter.store_part(1, stored)
    with _bar() as bar:
        task = bar.add_task("a.txt", total=10)
        looking = asyncio.create_task(_look(bar, task, meter))
        await asyncio.sleep(0)
        looking.cancel()

    assert bar.tasks[0].completed == shown


async def test_another_name(stage: LocalStack) -> None:
    """One file can be sent under another name, several cannot."""
    names = [str(make(stage, name, b"aaa")) for name in ("a.txt", "b.txt")]
    one = await type_in(stage, "send", "--json", "--name", "c.txt", names[0])
    two = await type_in(stage, "send", "--json", "--name", "c.txt", *names)

    assert (one.json["name"], two.code, two.out) == ("c.txt", 2, "")


async def test_one_of_two_fails(stage: LocalStack) -> None:
    """A file that fails is named in one line with its code, the others are sent, the exit code is
    1.
    """
    names = [str(make(stage, "empty.txt", b"")), str(make(stage, "b.txt", b"bbbb")), "/nowhere"]
    done = await type_in(stage, "send", "--json", *names)
    sent = [json.loads(line) for line in done.out.splitlines()]

    assert (done.code, [line.get("error") for line in sent]) == (
        1,
        ["file_empty", None, "impossible"],
    )
    assert ["file_empty" in done.err, "Traceback" in done.err] == [True, False]


async def test_public_without_a_bot(stage: LocalStack) -> None:
    """Public links are refused without a bot, with a way out."""
    stage.more["RELAY_LINK__MODE"] = "public"
    done = await type_in(stage, "send", str(make(stage, "a.txt", b"aaa")))

    assert (done.code, done.out, "RELAY_LINK__MODE=signed" in done.err) == (1, "", True)


@pytest.mark.parametrize(
    ("lifetime", "code", "said"),
    [
        ("0.5s", 2, "link.lifetime: '0.5s' is not allowed; it must be at least 1 s"),
        ("1s", 1, "relay-bot: a.txt: its link expired before it could be shown"),
    ],
)
async def test_lifetime_that_is_too_short(
    stage: LocalStack, lifetime: str, code: int, said: str
) -> None:
    """What cannot be signed is refused by the settings; what is over too soon is one line."""
    stage.more["RELAY_LINK__LIFETIME"] = lifetime
    done = await type_in(stage, "send", str(make(stage, "a.txt", b"aaa")))

    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert "Traceback" not in done.err


async def test_oss_refuses(stage: LocalStack) -> None:
    """A key that is unknown is said in one line, without the secret."""
    stage.more["RELAY_OSS__ACCESS_KEY_SECRET"] = "another-secret"
    done = await type_in(stage, "send", str(make(stage, "a.txt", b"aaa")))

    assert (done.code, "SignatureDoesNotMatch" in done.err) == (1, True)
    assert "another-secret" not in done.err
