"""Kinds of messages that carry files, and kinds that only look so."""

import os
from datetime import timedelta
from typing import Any

import pytest

from bot.demo.local_stack import LocalStack
from bot.sandbox.telegram import User
from bot.sandbox.telegram.rich_content import locked_media, paid_media, rich_message, story
from tests.conversations.groups import Room, open_room
from tests.conversations.people import Person, fetch, links_of

UNKNOWN = {"hologram": {"frames": [{"file_id": "HgACAgIAAxk", "file_unique_id": "Hg1"}]}}


@pytest.fixture
def inline_bot(stage: LocalStack) -> User:
    """Another bot, by way of which people send files."""
    return stage.telegram.add_user("Pics", username="pics_bot", is_bot=True)


async def _bodies(urls: list[str]) -> list[bytes]:
    return [(await fetch(url))[1] for url in urls]


async def test_file_by_way_of_another_bot(alice: Person, inline_bot: User) -> None:
    """A file that an inline bot made is relayed, and so is a forward of one."""
    content = os.urandom(2000)
    sent = await alice.send(content, "cat.gif", via_bot=inline_bot)
    forward = await alice.chat.forward(alice.user, sent)
    answers = [await alice.answered(message) for message in (sent, forward)]

    assert [await _bodies(links_of(answer)) for answer in answers] == [[content]] * 2


async def test_text_by_way_of_another_bot_starts_nothing(alice: Person, inline_bot: User) -> None:
    """A person did not write it, so it is neither a command nor a question."""
    await alice.chat.send_text(alice.user, "/status", via_bot=inline_bot)
    written = await alice.write("hello")
    await alice.answered(written)

    assert [message.reply_to for message in alice.said] == [written.id]


async def test_live_photo(alice: Person) -> None:
    """The still and the moving part are in one answer."""
    moving = os.urandom(3000)
    sent = await alice.send(moving, None, kind="live_photo")
    answer = await alice.answered(sent)
    still, moved = await _bodies(links_of(answer))

    assert moved == moving
    assert still.startswith(b"\xff\xd8")
    assert "photo_" in answer.text
    assert [message.reply_to for message in alice.said] == [sent.id]


async def test_paid_media(stage: LocalStack, alice: Person) -> None:
    """What was paid for is relayed in one answer."""
    contents = {kind: os.urandom(1000) for kind in ("photo", "video", "live_photo")}
    items = [stage.telegram.add_file(content, kind=kind) for kind, content in contents.items()]
    sent = await alice.chat.send_special(alice.user, paid_media(items))
    bodies = await _bodies(links_of(await alice.answered(sent)))

    assert [body for body in bodies if not body.startswith(b"\xff\xd8\xff")] == [
        *contents.values()
    ]


@pytest.mark.parametrize("kinds", [["document"], ["photo", "voice", "audio"], ["video"]])
async def test_rich_message(stage: LocalStack, alice: Person, kinds: list[str]) -> None:
    """Files in the blocks of a rich message are relayed, at any depth."""
    contents = [os.urandom(1000) for _ in kinds]
    items = [
        stage.telegram.add_file(content, kind=kind, name=f"{number}.bin")
        for number, (kind, content) in enumerate(zip(kinds, contents, strict=True))
    ]
    sent = await alice.chat.send_special(alice.user, rich_message(items, text="Look"))
    answer = await alice.answered(sent)

    assert await _bodies(links_of(answer)) == contents


@pytest.mark.parametrize("inside", ["paid_media", "rich_message"])
async def test_share_of_files_that_lie_deeper(
    stage: LocalStack, room: Room, anna: User, ben: User, inside: str
) -> None:
    """A reply with `/share` relays what the message carries in such a field."""
    content = os.urandom(1000)
    item = stage.telegram.add_file(content, kind="video")
    fields = paid_media([item]) if inside == "paid_media" else rich_message([item])
    sent = await room.group.send_special(anna, fields)
    answer = await room.answered(await room.share(ben, sent))

    assert await _bodies(links_of(answer)) == [content]


@pytest.mark.parametrize("inside", ["live_photo", "paid_media", "rich_message"])
async def test_file_that_lies_deeper_beside_a_part_that_cannot_be_read(
    stage: LocalStack, alice: Person, inside: str
) -> None:
    """The part is not needed: the file is relayed all the same."""
    content = os.urandom(1000)
    item = stage.telegram.add_file(content, kind="live_photo")
    fields = {
        "live_photo": item.json(),
        "paid_media": paid_media([item]),
        "rich_message": rich_message([item]),
    }[inside]
    message = alice.chat.new_message(alice.user)
    alice.chat.place(message, by_bot=True)  # So that the bot is told only what follows.
    raw = {**message.json(), **fields, "caption_entities": [None]}
    await stage.telegram.send_raw_update({"message": raw})
    bodies = await _bodies(links_of(await alice.answered(message)))

    assert content in bodies
    assert len(bodies) == 2


NOT_TO_BE_HAD: list[tuple[str, str]] = [
    ("locked", "until then Telegram does not give bots the files"),
    ("story", "does not give bots the files of stories"),
    ("unknown", "a kind of file I do not know yet"),
]


def _fields(stage: LocalStack, name: str) -> dict[str, Any]:
    channel = stage.telegram.add_channel("News", stage.telegram.add_user("Owner"))
    return {
        "locked": locked_media(2),
        "story": story(channel.state.info),
        "unknown": UNKNOWN,
        "poll": {"dice": {"emoji": "🎲", "value": 3}},
        "service": {"walls_painted": {"color": 3}},
        "pinned": {"new_chat_title": "New"},
    }[name]


@pytest.mark.parametrize(("name", "words"), [*NOT_TO_BE_HAD, ("poll", "There is no file")])
async def test_what_bots_cannot_have(
    stage: LocalStack, alice: Person, name: str, words: str
) -> None:
    """One sentence says why nothing is relayed."""
    sent = await alice.chat.send_special(alice.user, _fields(stage, name))

    assert words in (await alice.answered(sent)).text


@pytest.mark.parametrize(("name", "words"), NOT_TO_BE_HAD)
async def test_share_of_what_bots_cannot_have(
    stage: LocalStack, anna: User, name: str, words: str
) -> None:
    """The reply to a `/share` says the same in a group."""
    room = open_room(stage, anna)
    await stage.start_bot()
    sent = await room.group.send_special(anna, _fields(stage, name))
    shared = await room.share(anna, sent)

    assert words in (await room.answered(shared)).text


@pytest.mark.parametrize("name", ["service", "pinned"])
async def test_service_messages_are_met_with_silence(
    stage: LocalStack, alice: Person, name: str
) -> None:
    """What happened in the chat is no request, whether the library knows it or not."""
    await alice.chat.send_special(alice.user, _fields(stage, name))
    written = await alice.write("hello")
    await alice.answered(written)

    assert [message.reply_to for message in alice.said] == [written.id]


NAMELESS = [
    ("audio", "audio/mp4", ".m4a"),
    ("audio", "audio/flac", ".flac"),
    ("audio", "audio/ogg", ".ogg"),
    ("video", "video/quicktime", ".mov"),
    ("video", "video/webm", ".webm"),
    ("document", "application/pdf", ".pdf"),
    ("document", "image/png", ".png"),
    (
        "document",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ".docx",
    ),
    ("document", None, ".bin"),
    ("video", None, ".mp4"),
]


async def test_extensions_of_files_without_names(alice: Person) -> None:
    """The extension comes from the MIME type, then from the kind."""
    sent = [
        await alice.send(b"x", None, kind=kind, mime=mime, media_group_id="9")
        for kind, mime, _ in NAMELESS
    ]
    answer = await alice.answered(sent[0])
    names = [(await fetch(url))[2] or "" for url in links_of(answer)]

    assert [f".{name.rpartition('.')[2]}" for name in names] == [end for _, _, end in NAMELESS]


async def test_photos_of_an_album_are_numbered(alice: Person) -> None:
    """Their names show the moment in the chat's time zone, and a number."""
    await alice.answered(await alice.write("/zone +8"))
    first, *_ = await alice.chat.send_album(alice.user, [b"1", b"2", b"3"], kind="photo")
    answer = await alice.answered(first)
    names = [(await fetch(url))[2] for url in links_of(answer)]
    stamp = f"{first.date + timedelta(hours=8):%Y-%m-%d_%H-%M-%S}"

    assert names == [f"photo_{stamp}_{number}.jpg" for number in (1, 2, 3)]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("\u0646\u0627\u0645\u0647\u200c\u0647\u0627.pdf", "file.pdf"),
        ("\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f.pdf", "file.pdf"),
        ("季度报告.pdf", "file.pdf"),
    ],
)
async def test_letters_that_change_what_is_seen(alice: Person, name: str, key: str) -> None:
    """Joiners and flags are kept; a key of ASCII keeps the extension."""
    sent = await alice.send(b"x", name)
    (url,) = links_of(await alice.answered(sent))

    assert (await fetch(url))[2] == name
    assert url.partition("?")[0].endswith(f"/{key}")


@pytest.mark.parametrize("why", ["empty", "too large"])
async def test_file_that_cannot_be_relayed_is_one_line_of_the_log(
    alice: Person, caplog: pytest.LogCaptureFixture, why: str
) -> None:
    """It is no error of the bot, and has no traceback."""
    caplog.set_level("INFO")
    content = b"" if why == "empty" else bytes((20 << 20) + 1)
    await alice.answered(await alice.send(content, announced_size=None))
    (record,) = [r for r in caplog.records if "job ended" in r.getMessage()]

    assert (record.levelname, record.exc_info) == ("INFO", None)
    assert f"file_{why.replace(' ', '_')}" in record.getMessage()
