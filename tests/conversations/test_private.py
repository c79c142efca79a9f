"""One person in a private chat."""

import os
from datetime import timedelta

import pytest

from bot.demo.local_stack import LocalStack
from bot.sandbox.telegram import EventKind
from tests.conversations.people import Person, fetch, link_of, sha256

MIB = 1 << 20


async def test_file_in_link_out(stage: LocalStack, alice: Person) -> None:
    """A small file costs two API calls, shows no status message, and comes back byte for byte."""
    content = os.urandom(300_000)
    before = len(stage.telegram.log)
    message = await alice.send(content, "report 报告.pdf", mime="application/pdf")
    answer = await alice.answered(message)
    start = ("getUpdates", "deleteWebhook", "getWebhookInfo", "setWebhook", "getMy", "setMy")
    made = (call.operation for call in list(stage.telegram.log)[before:])
    calls = [operation for operation in made if not operation.startswith(start)]
    status, body, name = await fetch(link_of(answer))

    assert calls == ["getFile", "file", "sendMessage"]
    assert (200, content, "report 报告.pdf") == (status, body, name)
    assert sha256(content) in answer.text
    assert answer.preview_off


async def test_slow_file_shows_a_status_message(stage: LocalStack, alice: Person) -> None:
    """A slow file shows one status message, which follows the progress and goes away after the
    answer.
    """
    stage.telegram.shape.down_total = 1.5 * MIB
    content = os.urandom(8 * MIB)
    message = await alice.send(content, "film.mkv")
    answer = await alice.answered(message)
    await alice.until(lambda: not alice.status_messages)
    happened = [e for e in alice.chat.history if e.by_bot and e.message.silent]

    assert happened[0].what is EventKind.SENT
    assert happened[-1].what is EventKind.DELETED
    assert len({event.message.id for event in happened}) == 1
    assert any(event.what is EventKind.EDITED and "%" in event.message.text for event in happened)
    assert (await fetch(link_of(answer)))[1] == content


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [
        ("document", ".bin"),
        ("photo", ".jpg"),
        ("video", ".mp4"),
        ("audio", ".mp3"),
        ("voice", ".ogg"),
        ("video_note", ".mp4"),
        ("animation", ".mp4"),
        ("sticker", ".webp"),
    ],
)
async def test_every_kind_of_file(alice: Person, kind: str, suffix: str) -> None:
    """Every kind of message that carries a file is relayed, under a made-up name where it has
    none.
    """
    content = os.urandom(50_000)
    answer = await alice.answered(await alice.send(content, None, kind=kind))
    status, body, name = await fetch(link_of(answer))

    assert (200, content) == (status, body)
    assert name is not None
    assert name.startswith(kind)
    assert name.endswith(suffix)


async def test_edits_start_nothing(stage: LocalStack, alice: Person) -> None:
    """An edited caption does not relay the file again."""
    message = await alice.send(b"x" * 1000, caption="first")
    await alice.answered(message)
    await alice.chat.edit_caption(message, "second")
    await alice.answered(await alice.write("hello"))

    assert len(stage.oss.log.of("PutObject")) == 2  # the probe at the start, and one file


async def test_other_text_gets_one_line(alice: Person) -> None:
    """Any other text is answered with one line of help."""
    answer = await alice.answered(await alice.write("what is this?"))

    assert "/help" in answer.text
    assert len(answer.text.splitlines()) == 1


async def test_too_large_is_refused_before_getfile(stage: LocalStack, alice: Person) -> None:
    """A file over 20 MiB is refused with size, limit and remedy, without a getFile."""
    message = await alice.send(b"x", announced_size=20_971_521)
    answer = await alice.answered(message)

    assert not stage.telegram.log.of("getFile")
    assert "local Bot API server" in answer.text


async def test_stranger_gets_one_line_an_hour(stage: LocalStack, alice: Person) -> None:
    """A stranger is told their id once an hour; nothing else happens."""
    bob = Person(stage, "Bob")
    first = await bob.write("/start")
    answer = await bob.answered(first)
    await bob.send(b"x" * 1000)
    await bob.write("/status")
    await alice.answered(await alice.write("/status"))
    said = len(bob.said)
    stage.clock.advance(timedelta(hours=1))
    later = await bob.answered(await bob.write("again?"))

    assert str(bob.id) in answer.text
    assert said == 1
    assert str(bob.id) in later.text
    assert not stage.telegram.log.of("getFile")


async def test_status_lists_live_links(alice: Person) -> None:
    """`/status` lists the live links, and its button deletes one."""
    answer = await alice.answered(await alice.send(b"y" * 2000, "note.txt"))
    status = await alice.answered(await alice.write("/status"))
    button = status.buttons[0][0].text
    query = await alice.press(status, button)
    await alice.until(lambda: not alice.shown(answer).buttons)

    assert "note.txt" in status.text
    assert query.answer is not None
    assert (await fetch(link_of(answer)))[0] in {403, 404}


async def test_delete_now(stage: LocalStack, alice: Person) -> None:
    """ "Delete now" ends link and bytes; the answer says so and loses its buttons."""
    answer = await alice.answered(await alice.send(b"z" * 2000, "secret.txt"))
    await alice.press(answer, "Delete now")
    await alice.until(lambda: not alice.shown(answer).buttons)

    assert not stage.bucket.objects
    assert "Deleted" in alice.shown(answer).text
    assert (await fetch(link_of(answer)))[0] == 404


async def test_link_ends_on_time(stage: LocalStack, alice: Person) -> None:
    """At the deadline the link is refused, the bytes go, the answer says that it has ended."""
    answer = await alice.answered(await alice.send(b"z" * 2000, "soon gone.txt"))
    stage.clock.advance(timedelta(hours=23, minutes=54))
    alive = (await fetch(link_of(answer)))[0]
    stage.clock.advance(timedelta(minutes=1))
    dead = (await fetch(link_of(answer)))[0]
    await alice.until(lambda: not alice.shown(answer).buttons)

    assert alive == 200
    assert dead in {403, 404}
    assert not stage.bucket.objects
    assert "expired" in alice.shown(answer).text


async def test_cancel_halfway(stage: LocalStack, alice: Person) -> None:
    """Cancel says so at once, leaves neither upload nor object, and ends in the same message."""
    stage.telegram.shape.down_total = 2.0 * MIB
    await alice.send(os.urandom(16 * MIB), "wrong.bin")
    await alice.until(lambda: bool(alice.status_messages))
    await stage.oss.wait_for(lambda: any(u.parts for u in stage.bucket.uploads.values()))
    status_message = alice.status_messages[0]
    await alice.press(status_message, "Cancel")
    await alice.until(lambda: "ancelled" in alice.shown(status_message).text)
    await stage.oss.wait_for(lambda: not stage.bucket.uploads)

    assert not stage.bucket.objects
    assert not alice.shown(status_message).buttons
    assert not list((stage.folder / "spool").glob("*"))


async def test_cancel_while_waiting(stage: LocalStack) -> None:
    """A job that waits for its turn is cancelled without ever being fetched."""
    stage.more["RELAY_TRANSFER__AT_ONCE"] = "1"
    stage.more["RELAY_TRANSFER__PER_OWNER"] = "1"
    alice = Person(stage)
    await stage.start_bot(alice.id)
    stage.telegram.shape.down_total = 2.0 * MIB
    first = await alice.send(os.urandom(8 * MIB), "first.bin")
    await alice.send(os.urandom(8 * MIB), "second.bin")
    await alice.until(
        lambda: any(
            "second.bin" in status_message.text for status_message in alice.status_messages
        )
    )
    status_message = next(
        status_message
        for status_message in alice.status_messages
        if "second.bin" in status_message.text
    )
    await alice.press(status_message, "Cancel")
    await alice.until(lambda: "ancelled" in alice.shown(status_message).text)
    await alice.answered(first)

    assert len(stage.telegram.log.of("getFile")) == 1


async def test_chinese(stage: LocalStack) -> None:
    """A sender who uses Telegram in Chinese is answered in Chinese."""
    alice = Person(stage, "美玲", language="zh-hans")
    await stage.start_bot(alice.id)
    answer = await alice.answered(await alice.send(b"x" * 1000, "照片.jpg"))

    assert "链接" in answer.text


async def test_public_links_are_short_and_end(stage: LocalStack) -> None:
    """In public mode the link is plain and short, needs no signature, and ends at the deadline."""
    stage.more["RELAY_LINK__MODE"] = "public"
    alice = Person(stage)
    await stage.start_bot(alice.id)
    answer = await alice.answered(await alice.send(b"x" * 1000, "open.txt"))
    url = link_of(answer)
    alive = (await fetch(url))[0]
    stage.clock.advance(timedelta(hours=24))
    await alice.until(lambda: not alice.shown(answer).buttons)

    assert "?" not in url
    assert alive == 200
    assert (await fetch(url))[0] in {403, 404}
