"""Which commands in a group are for this bot, by which name."""

from datetime import timedelta

import pytest

from bot.demo.local_stack import LocalStack
from bot.sandbox.telegram import User
from tests.conversations.groups import Room, open_room
from tests.conversations.people import Person, link_of

SEVERAL = ["/ban", "/unban", "/allow", "/stats", "/cancel"]
NO_IDS = ("9" * 19, "-" + "9" * 19, "9223372036854775808", "1" * 30, "4503599627370496", "0")


@pytest.fixture
async def chief(stage: LocalStack) -> Person:
    """The operator of the bot."""
    person = Person(stage, "Chief")
    stage.more["RELAY_ACCESS__ADMINS"] = str(person.id)
    return person


@pytest.fixture
async def seeing(stage: LocalStack, chief: Person, ben: User) -> Room:
    """A group in which the bot sees everything, with other bots beside it."""
    room = open_room(stage, chief.user, ben, bot="administrator")
    await stage.start_bot(ben.id)
    return room


async def test_commands_for_other_bots(stage: LocalStack, seeing: Room, chief: Person) -> None:
    """An operator who uses another bot's commands bans and cancels nothing here."""
    stage.telegram.shape.down_total = 20_000.0
    slow = await seeing.send(chief.user, b"x" * 100_000, caption="/share")
    victim = await seeing.group.send_text(chief.user, "spam", as_chat=None)
    for command in SEVERAL:
        await seeing.group.send_text(chief.user, command, reply_to=victim)
        await seeing.group.send_text(chief.user, f"{command} 4242")
        await seeing.group.send_text(chief.user, f"{command}@other_bot 4242")
    stage.telegram.shape.down_total = None
    answer = await seeing.answered(slow)

    assert link_of(answer)
    assert [message.reply_to for message in seeing.said] == [slow.id]


async def test_addressed_commands(stage: LocalStack, seeing: Room, chief: Person) -> None:
    """With the bot's name each is answered."""
    for command in SEVERAL:
        # A group takes twenty messages a minute.
        stage.clock.advance(timedelta(seconds=5))
        asked = await seeing.write(chief.user, command)

        assert (await seeing.answered(asked)).text, command


async def test_ban_by_reply_to_any_message(seeing: Room, chief: Person, ben: User) -> None:
    """An addressed one may reply to the message of any member."""
    written = await seeing.write(ben, "spam")
    asked = await seeing.write(chief.user, "/ban", reply_to=written)

    assert (await seeing.answered(asked)).text.startswith(f"{ben.id} is banned")


@pytest.mark.usefixtures("seeing")
@pytest.mark.parametrize("command", ["/ban", "/allow", "/unban"])
async def test_numbers_that_are_no_ids(stage: LocalStack, chief: Person, command: str) -> None:
    """They are answered with the sentence that says how."""
    for number in NO_IDS:
        # A chat takes a message a second.
        stage.clock.advance(timedelta(seconds=5))
        answer = await chief.answered(await chief.write(f"{command} {number}"))

        assert answer.text.startswith("Give an id, for example /ban 123456789"), number


async def test_renamed_bot(stage: LocalStack, room: Room, anna: User) -> None:
    """Within minutes the bot hears its new name, and says it."""
    stage.telegram.rename("relay_new_bot")
    asked = len(stage.telegram.log.of("getMe"))
    stage.clock.advance(timedelta(minutes=6))
    await room.until(lambda: len(stage.telegram.log.of("getMe")) > asked)
    file = await room.send(anna, b"minutes", "minutes.txt")
    answer = await room.answered(await room.share(anna, file))
    how = await room.answered(await room.write(anna, "/share"))

    assert link_of(answer)
    assert "/share@relay_new_bot" in how.text
