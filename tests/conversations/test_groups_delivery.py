"""Groups in which links are delivered in private."""

import os

import pytest

from bot.demo.local_stack import LocalStack
from bot.sandbox.faults import Effect, Fault
from bot.sandbox.telegram import User
from tests.conversations.groups import Room
from tests.conversations.people import Person, fetch, link_of, links_of

MIB = 1 << 20


@pytest.fixture
async def discreet(room: Room, anna: User) -> Room:
    """A group that has chosen private answers."""
    chosen = await room.answered(await room.write(anna, "/deliver private"))
    assert "in private" in chosen.text
    return room


async def test_answer_in_private(stage: LocalStack, discreet: Room, anna: User) -> None:
    """The link goes to the member who asked, a note without a link to the group; both change when
    the link is deleted.
    """
    carol = Person(stage, "Carol")
    await discreet.group.join(carol.user)
    file = await discreet.send(anna, b"plan", "plan.pdf")
    note = await discreet.answered(await discreet.share(carol.user, file))
    await carol.until(lambda: bool(carol.said))
    answer = carol.said[0]
    alive = await fetch(link_of(answer))
    await carol.press(answer, "Delete now")
    await carol.until(lambda: not carol.shown(answer).buttons)

    assert "private chat" in note.text
    assert not links_of(note)
    assert not note.buttons
    assert "plan.pdf" in answer.text
    assert answer.reply_to is None
    assert alive == (200, b"plan", "plan.pdf")
    assert (await fetch(link_of(answer)))[0] == 404


async def test_never_started(stage: LocalStack, discreet: Room, anna: User, ben: User) -> None:
    """A member who never started the bot is told how, and finds the link there,
    stranger or not.
    """
    file = await discreet.send(anna, b"plan", "plan.pdf")
    note = await discreet.answered(await discreet.share(ben, file))
    private = stage.telegram.private_chat(ben)
    asked = await private.send_text(ben, "/start links")
    await discreet.until(lambda: bool(private.bot_messages))
    overview = private.bot_messages[0]
    mine = await private.send_file(ben, content=b"mine")
    await discreet.until(lambda: any(m.reply_to == mine.id for m in private.bot_messages))
    refusal = next(m for m in private.bot_messages if m.reply_to == mine.id)

    assert f"https://t.me/{stage.telegram.username}?start=links" in note.text
    assert asked.id == overview.reply_to
    assert await fetch(links_of(overview)[0]) == (200, b"plan", "plan.pdf")
    assert str(ben.id) in refusal.text


async def test_hidden_people_are_answered_here(discreet: Room, anna: User) -> None:
    """A sender as the group has no private chat, and is answered in the group."""
    file = await discreet.send(anna, b"plan")
    answer = await discreet.answered(await discreet.share(anna, file, as_chat=discreet.group))

    assert (await fetch(link_of(answer)))[0] == 200


async def test_cancel_stays_here(stage: LocalStack, discreet: Room, anna: User) -> None:
    """A cancelled job ends in its status message, which has no link."""
    stage.telegram.shape.down_total = 2.0 * MIB
    await discreet.share(anna, await discreet.send(anna, os.urandom(16 * MIB)))
    await discreet.until(lambda: bool(discreet.status_messages))
    status_message = discreet.status_messages[0]
    await discreet.press(anna, status_message, "Cancel")
    await discreet.until(lambda: not discreet.shown(status_message).buttons)
    await discreet.until(lambda: "nothing was kept" in discreet.shown(status_message).text)

    assert not stage.telegram.private_chat(anna).bot_messages


async def test_status_shows_no_links(stage: LocalStack, discreet: Room, anna: User) -> None:
    """`/status` in the group does not show links that were delivered in private."""
    stage.telegram.private_chat(anna)
    await discreet.answered(await discreet.share(anna, await discreet.send(anna, name="a.pdf")))
    status = await discreet.answered(await discreet.write(anna, "/status"))

    assert "a.pdf" in status.text
    assert not links_of(status)


@pytest.mark.parametrize(
    "description",
    ["TOPIC_CLOSED", "message to be replied not found", "can't parse entities: no end"],
)
async def test_refused_answer(
    stage: LocalStack, room: Room, anna: User, ben: User, description: str
) -> None:
    """What the group refuses in every form goes to the member who asked."""
    args: dict[str, str | int | float] = {
        "status": 400,
        "description": f"Bad Request: {description}",
    }
    where = {"chat_id": str(room.id), "disable_notification": "False"}
    fault = stage.telegram.faults.add(
        Fault("sendMessage", Effect.ERROR, times=0, where=where, args=args)
    )
    private = stage.telegram.private_chat(ben)
    await private.send_text(ben, "/start")
    await room.share(ben, await room.send(anna, b"plan", "plan.pdf"))
    await room.until(lambda: any("plan.pdf" in said.text for said in private.bot_messages))
    answer = private.bot_messages[-1]

    assert fault.hits == 2
    assert await fetch(link_of(answer)) == (200, b"plan", "plan.pdf")
    assert not stage.telegram.private_chat(anna).bot_messages


async def test_here_again(discreet: Room, anna: User) -> None:
    """The setting can be shown, and switched back."""
    asked = await discreet.answered(await discreet.write(anna, "/deliver"))
    chosen = await discreet.answered(await discreet.write(anna, "/deliver here"))
    answer = await discreet.answered(await discreet.share(anna, await discreet.send(anna)))

    assert "in private" in asked.text
    assert "here" in chosen.text
    assert link_of(answer)
