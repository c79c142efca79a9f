"""The fake chat service minds flood limits, remembers, and fails as it is told."""

import asyncio
from datetime import timedelta

import pytest

from bot.core.errors import ChatFlooded, ChatUncertain, MessageGone
from bot.core.ports.chat import Messenger, Place
from bot.core.ports.views import Notice
from bot.sandbox.clock import SandboxClock
from tests.fakes.messenger import FakeMessenger, Trouble
from tests.fakes.samples import GROUP, NOW, OWNER

HELLO, BYE = Notice("hello"), Notice("bye")


class Chats:
    """A chat service and its clock."""

    def __init__(self) -> None:
        self.clock = SandboxClock(NOW, running=False)
        self.fake = FakeMessenger(self.clock)
        self.port: Messenger = self.fake

    async def send(self, chat_id: int = OWNER) -> int:
        """Send something."""
        return await self.port.send(Place(chat_id), HELLO, language="en")

    async def edit(self, message_id: int, chat_id: int = OWNER) -> None:
        """Edit something."""
        await self.port.edit(chat_id, message_id, BYE, language="en")


@pytest.fixture
def chats() -> Chats:
    """Return empty chats."""
    return Chats()


async def test_chat_shows_what_was_sent_edited_and_not_deleted(chats: Chats) -> None:
    """The chat shows its messages, and the fake remembers all calls."""
    first, second = await chats.send(), await chats.send()
    await chats.edit(second)
    await chats.port.delete(OWNER, first)
    await chats.port.delete(OWNER, first)

    assert chats.fake.shown(OWNER) == {second: BYE}
    assert [said.call for said in chats.fake.said] == ["send", "send", "edit", "delete", "delete"]


async def test_message_that_is_gone_cannot_be_edited(chats: Chats) -> None:
    """A message that was removed by a user or never existed cannot be edited."""
    message_id = await chats.send()
    chats.fake.remove(OWNER, message_id)
    for gone in (message_id, 7):
        with pytest.raises(MessageGone):
            await chats.edit(gone)


async def test_private_chat_takes_five_at_once_and_one_a_second(chats: Chats) -> None:
    """The sixth is told how long to wait, and costs nothing."""
    for _ in range(5):
        await chats.send()
    with pytest.raises(ChatFlooded) as caught:
        await chats.send()
    chats.clock.advance(timedelta(seconds=caught.value.delay))
    await chats.send()

    assert chats.fake.floods == [("send", OWNER)]
    assert len(chats.fake.calls("send")) == 6


async def test_private_chat_takes_twenty_edits_in_any_minute(chats: Chats) -> None:
    """The next is possible when the first is a minute old."""
    message_id = await chats.send()
    for _ in range(20):
        await chats.edit(message_id)
        chats.clock.advance(timedelta(seconds=1))
    with pytest.raises(ChatFlooded) as caught:
        await chats.edit(message_id)

    assert caught.value.delay == 40


async def test_group_counts_messages_and_edits_together(chats: Chats) -> None:
    """Twenty in any minute, however they come; other chats are not touched."""
    message_id = await chats.send(GROUP)
    for _ in range(10):
        await chats.edit(message_id, GROUP)
    for _ in range(9):
        await chats.send(GROUP)
    with pytest.raises(ChatFlooded):
        await chats.edit(message_id, GROUP)
    await chats.send()

    assert chats.fake.floods == [("edit", GROUP)]


async def test_trouble_strikes_where_and_when_it_is_told(chats: Chats) -> None:
    """After the calls that it skips, as often as it says, with or without the call applied."""
    chats.fake.trouble(Trouble("send", ChatUncertain("timed out"), skip=1))
    chats.fake.trouble(Trouble("send", ChatUncertain("timed out"), chat_id=GROUP, lost=True))
    await chats.send()
    with pytest.raises(ChatUncertain):
        await chats.send()
    await chats.send()
    with pytest.raises(ChatUncertain):
        await chats.send(GROUP)

    assert len(chats.fake.shown(OWNER)) == 2
    assert len(chats.fake.shown(GROUP)) == 1


async def test_held_calls_wait_until_they_are_let_go(chats: Chats) -> None:
    """Calls in other chats pass."""
    gate = chats.fake.hold(OWNER)
    held = asyncio.create_task(chats.send())
    await chats.fake.holding.wait()
    await chats.send(GROUP)
    assert chats.fake.shown(OWNER) == {}
    gate.set()
    message_id = await held

    assert list(chats.fake.shown(OWNER)) == [message_id]
