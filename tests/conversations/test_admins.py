"""Those who look after the bot, in private and in groups."""

import os

import pytest

from bot.demo.local_stack import LocalStack
from tests.conversations.groups import open_room
from tests.conversations.leftovers import let_time_pass
from tests.conversations.people import Person, fetch, link_of

MIB = 1 << 20


@pytest.fixture
async def chief(stage: LocalStack) -> Person:
    """The admin of a bot that has no other users."""
    person = Person(stage, "Chief")
    stage.more["RELAY_ACCESS__ADMINS"] = str(person.id)
    await stage.start_bot()
    return person


async def _says(person: Person, text: str) -> str:
    return (await person.answered(await person.write(text))).text


async def test_person_is_allowed_banned_and_allowed_again(
    stage: LocalStack, chief: Person
) -> None:
    """Each command takes effect at once; a banned user gets no answer, and the links may stay."""
    bob = Person(stage, "Bob")
    stranger = await _says(bob, "hello")
    allowed = await _says(chief, f"/allow {bob.id}")
    link = link_of(await bob.answered(await bob.send(os.urandom(1000), "bob.txt")))
    banned = await _says(chief, f"/ban {bob.id}")
    count = len(bob.said)
    await bob.send(os.urandom(1000), "more.txt")
    alive = (await fetch(link))[0]
    purged = await _says(chief, f"/ban {bob.id} purge")
    await stage.oss.wait_for(lambda: not stage.bucket.objects)
    unbanned = await _says(chief, f"/unban {bob.id}")
    again = await _says(bob, "/help")

    assert "private" in stranger
    assert allowed == f"{bob.id} can now use the bot."
    assert banned == (
        f"{bob.id} is banned; 1 live link is kept until it expires; "
        f"/ban {bob.id} purge deletes it now."
    )
    assert alive == 200
    assert purged == f"{bob.id} is banned; 1 link is deleted."
    assert (await fetch(link))[0] == 404
    assert unbanned == f"{bob.id} is no longer banned."
    assert again.startswith("Send me a file.")
    assert count == len([m for m in bob.said if not m.text.startswith("Send me")])


async def test_ban_cancels_what_runs(stage: LocalStack, chief: Person) -> None:
    """A ban cancels the running jobs of the user; nothing of them is left."""
    bob = Person(stage, "Bob")
    await _says(chief, f"/allow {bob.id}")
    stage.telegram.shape.down_total = 100_000.0
    for number in range(3):
        await bob.send(os.urandom(4 * MIB), f"film {number}.mkv")
    await bob.until(lambda: len(bob.status_messages) == 3)
    status_messages = bob.status_messages
    banned = await _says(chief, f"/ban {bob.id}")
    await let_time_pass(
        bob,
        lambda: all(
            "ancelled" in bob.shown(status_message).text for status_message in status_messages
        ),
    )

    assert banned == f"{bob.id} is banned, 3 transfers are cancelled; there are no live links."
    assert not list((stage.folder / "spool").glob("*"))
    assert not stage.bucket.objects


async def test_ban_by_reply_in_a_group(stage: LocalStack, chief: Person) -> None:
    """The author of the message is banned; a reply to the bot's own message names no user."""
    anna, ben = stage.telegram.add_user("Anna"), stage.telegram.add_user("Ben")
    await stage.stop_bot()
    room = open_room(stage, anna, ben, chief.user)
    await stage.start_bot()
    rude = await room.write(ben, "something rude")
    help_ = await room.answered(await room.write(anna, "/help"))
    refused = await room.answered(await room.write(anna, "/ban", reply_to=rude))
    nobody = await room.answered(await room.write(chief.user, "/ban", reply_to=help_))
    done = await room.answered(await room.write(chief.user, "/ban", reply_to=rude))
    await room.write(ben, "/help")
    stats = await room.answered(await room.write(chief.user, "/stats"))

    assert refused.text == "Only the bot’s admins can do that."
    assert nobody.text.startswith("Give an id")
    assert done.text == f"{ben.id} is banned; there are no live links."
    assert stats.text == "This command works only in a private chat."
    assert sum("Reply to a file" in m.text for m in room.said) == 1


async def test_forwarded_message_names_its_sender(stage: LocalStack, chief: Person) -> None:
    """In private an admin can forward a message of another user, and reply to it."""
    bob = Person(stage, "Bob")
    asked = await bob.write("may I?")
    forwarded = await chief.chat.forward(chief.user, asked)
    done = await chief.answered(
        await chief.chat.send_text(chief.user, "/allow", reply_to=forwarded)
    )

    assert done.text == f"{bob.id} can now use the bot."


async def test_group_is_allowed_and_banned(stage: LocalStack, chief: Person) -> None:
    """A banned group is left, and asking the bot in again does not help."""
    anna = stage.telegram.add_user("Anna")
    group = stage.telegram.add_group("Friends", anna, bot="left")
    await _says(chief, f"/allow {group.id}")
    await group.invite_bot(anna)
    await stage.telegram.wait_for(lambda: bool(group.bot_messages))
    banned = await _says(chief, f"/ban {group.id}")
    await stage.telegram.wait_for(lambda: len(stage.telegram.log.of("leaveChat")) == 1)

    assert "is banned" in banned


async def test_stats(chief: Person) -> None:
    """The statistics have the figures of the day and the current ones, errors by
    code, versions.
    """
    await chief.answered(await chief.send(os.urandom(2 * MIB), "good.bin"))
    await chief.answered(await chief.send(b"", "empty.bin"))
    told = await _says(chief, "/stats")

    assert "1 file relayed, 2 MB\nFailed: 1, cancelled: 0" in told
    assert "Running: 0, waiting: 0\n1 live link\nSpool: 0 B of 10 GB reserved" in told
    assert "file_empty: once, less than a minute ago" in told
    assert "python-telegram-bot 22" in told
