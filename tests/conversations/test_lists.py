"""Lists that are read page by page, and everything that they can stop or end."""

import os

import pytest

from bot.adapters.telegram.buttons import ButtonCodec, PageButton
from bot.core.ports.views import Listing
from bot.demo.local_stack import LocalStack
from bot.sandbox.telegram import VisibleMessage
from tests.conversations.groups import open_room
from tests.conversations.people import Person, fetch, link_of

MIB = 1 << 20


@pytest.fixture
async def alice(stage: LocalStack) -> Person:
    """A user whose files wait, because nothing comes from Telegram."""
    stage.more |= {"RELAY_TRANSFER__AT_ONCE": "1", "RELAY_TRANSFER__PER_OWNER": "1"}
    person = Person(stage)
    await stage.start_bot(person.id)
    return person


async def _wait_in_line(alice: Person, count: int) -> None:
    alice.stage.telegram.shape.down_total = 100_000.0
    for number in range(count):
        await alice.send(os.urandom(4 * MIB), f"file {number:02}.bin")
    # What is sent after this answer comes with a later poll, so all files are taken in by then.
    await alice.answered(await alice.write("hello"))


def _is_in_a_card(alice: Person, number: int) -> bool:
    return any(
        f"file {number:02}.bin" in status_message.text for status_message in alice.status_messages
    )


def _renderer(message: VisibleMessage) -> list[str]:
    return [button.text for row in message.buttons for button in row]


@pytest.mark.usefixtures("hurried_stop")
async def test_pages_of_the_status(alice: Person) -> None:
    """A long list has pages; turning one edits the same message, and so does "Refresh"."""
    await _wait_in_line(alice, 12)
    status = await alice.answered(await alice.write("/status"))
    assert ("Page 1 of 2" in status.text, "file 07" in status.text) == (True, True)
    await alice.press(status, "2 ▶")
    await alice.until(lambda: "Page 2 of 2" in alice.shown(status).text)
    second = alice.shown(status)
    await alice.press(second, "Cancel 4")
    await alice.press(alice.shown(status), "Refresh")
    await alice.until(lambda: "file 11" not in alice.shown(status).text)

    assert _renderer(second) == ["Cancel 1", "Cancel 2", "Cancel 3", "Cancel 4", "◀ 1", "Refresh"]
    assert "file 08" in second.text
    assert "Used in the last 24 hours: 12 of 1,000 files, 48 MB" in second.text
    assert [m.id for m in alice.said if "Page" in m.text] == [status.id]


async def test_links_are_listed_and_deleted(alice: Person) -> None:
    """`/links` has the live links, the newest first, each with its button."""
    answers = [
        await alice.answered(await alice.send(os.urandom(1000), f"{name}.txt"))
        for name in ("old", "new")
    ]
    links = await alice.answered(await alice.write("/links"))
    await alice.press(links, "Delete 1")
    await alice.until(lambda: not alice.shown(answers[1]).buttons)
    await alice.press(links, "Refresh")
    await alice.until(lambda: "new.txt" not in alice.shown(links).text)
    urls = [entity["url"] for entity in links.entities if "url" in entity]

    assert links.text.index("new.txt") < links.text.index("old.txt")
    # Signed anew, so perhaps a second later; the object is the same.
    objects = [link_of(answer).partition("?")[0] for answer in reversed(answers)]
    assert objects == [url.partition("?")[0] for url in urls]
    assert (await fetch(urls[0]))[0] == 404
    assert (await fetch(urls[1]))[0] == 200
    assert "old.txt" in alice.shown(links).text


async def test_cancel_ends_everything_of_the_asker(stage: LocalStack, alice: Person) -> None:
    """`/cancel` ends running and waiting jobs of the sender; nothing of them is left."""
    await _wait_in_line(alice, 5)
    await stage.telegram.wait_for(lambda: bool(stage.telegram.log.of("file")))
    await alice.until(lambda: all(_is_in_a_card(alice, number) for number in range(5)))
    said = await alice.answered(await alice.write("/cancel"))
    await alice.until(
        lambda: (
            not alice.status_messages or all("ancelled" in c.text for c in alice.status_messages)
        )
    )
    nothing = await alice.answered(await alice.write("/cancel"))

    assert said.text == "Cancelling 5 transfers."
    assert nothing.text == "No transfers are running."
    assert not stage.bucket.objects
    assert not list((stage.folder / "spool").glob("*"))


async def test_album_is_cancelled_with_one_button(stage: LocalStack, alice: Person) -> None:
    """The button cancels the unfinished files of the album, which gets one answer with all of
    them.
    """
    stage.telegram.shape.down_total = 100_000.0
    for number in range(3):
        await alice.send(os.urandom(4 * MIB), f"photo {number}.bin", media_group_id="9")
    await alice.until(
        lambda: any(_renderer(status_message) for status_message in alice.status_messages)
    )
    status_message = alice.status_messages[0]
    await alice.press(status_message, "Cancel all")
    await alice.until(lambda: bool(alice.said))

    assert _renderer(status_message) == ["Cancel all"]
    assert alice.said[0].text.count("Cancelled: nothing was kept.") == 3
    assert not stage.bucket.objects


async def test_signed_page_cannot_change_another_message(stage: LocalStack, alice: Person) -> None:
    """An app may send any data for any message; an answer never becomes a list."""
    answer = await alice.answered(await alice.send(os.urandom(1000), "a.txt"))
    data = ButtonCodec(stage.telegram.token.encode()).encode(
        PageButton(Listing.LINKS, alice.id, 1)
    )
    press = {
        "id": "1",
        "from": alice.user.json(),
        "message": alice.chat.require(answer).json(),
        "chat_instance": "1",
        "data": data,
    }
    await stage.telegram.send_raw_update({"callback_query": press})
    await alice.until(lambda: bool(stage.telegram.log.of("answerCallbackQuery")))
    await alice.answered(await alice.write("/status"))
    [told] = stage.telegram.log.of("answerCallbackQuery")

    assert told.params["text"] == "This button no longer works. /status shows the current ones."
    assert alice.shown(answer).text == answer.text


async def test_group_turns_its_own_pages(stage: LocalStack) -> None:
    """Any member refreshes the status of the group; links belong to the member who
    asked for them.
    """
    anna, ben = stage.telegram.add_user("Anna"), stage.telegram.add_user("Ben")
    room = open_room(stage, anna, ben)
    await stage.start_bot()
    await room.answered(await room.share(anna, await room.send(anna, name="first.txt")))
    status = await room.answered(await room.write(ben, "/status"))
    links = await room.answered(await room.write(anna, "/links"))
    none = await room.answered(await room.write(ben, "/links"))
    await room.answered(await room.share(anna, await room.send(anna, name="second.txt")))
    await room.press(ben, status, "Refresh")
    await room.until(lambda: "second.txt" in room.shown(status).text)
    refused = await room.press(ben, links, "Refresh")

    assert "first.txt" in status.text
    assert "first.txt" in links.text
    assert none.text == "You have no live links here."
    assert refused.answer is not None
    assert refused.answer.text.startswith("Only the person who asked")
