"""Messages and questions follow groups, and nothing else of a group that moved is touched."""

from collections.abc import Awaitable, Callable

import pytest

from bot.adapters.ledger.database import Database
from bot.adapters.ledger.ledger import SqlChats
from bot.core.errors import ChatGone, ChatMoved, MessageGone
from bot.core.ports.chat import GroupVisibility, Place, Reaction
from bot.core.ports.views import Notice
from bot.outbound.chat_migration import ChatMigrations, MigratingMembers, MigratingMessenger
from bot.sandbox.clock import SandboxClock
from tests.fakes.members import FakeMembers
from tests.fakes.messenger import FakeMessenger, Trouble
from tests.fakes.samples import GROUP, NOW

SUCCESSOR = -1_000_000_000_500
NEXT = -1_000_000_000_501
HELLO = Notice("help-any-text")
HERE = Place(GROUP, thread_id=3, reply_to=4)


class Post:
    """Messenger and members with chat migration in front of fakes."""

    def __init__(self, database: Database) -> None:
        self.people = SqlChats(database)
        self.migrations = ChatMigrations(self.people)
        self.fake = FakeMessenger(SandboxClock(NOW, running=False))
        self.gone: list[int] = []
        self.messenger = MigratingMessenger(self.fake, self.migrations, self._note)
        self.fake_members = FakeMembers()
        self.members = MigratingMembers(self.fake_members, self.migrations)

    async def _note(self, chat_id: int) -> None:
        self.gone.append(chat_id)

    async def say(self) -> int:
        """Send a message to the group."""
        return await self.messenger.send(HERE, HELLO, language="en")


@pytest.fixture
def post(database: Database) -> Post:
    """A state without migrations."""
    return Post(database)


async def test_nothing_has_moved(post: Post) -> None:
    """Without a migration every call goes to its own chat."""
    message_id = await post.say()
    await post.messenger.edit(GROUP, message_id, HELLO, language="en")
    await post.messenger.delete(GROUP, message_id)

    assert [said.call for said in post.fake.said] == ["send", "edit", "delete"]
    assert post.fake.said[0].place == HERE


async def test_refusal_tells_where_to(post: Post) -> None:
    """The refused message and all later ones go to the successor, without topic and reply, which
    are others there.
    """
    post.fake.trouble(Trouble("send", ChatMoved(SUCCESSOR), GROUP))
    await post.say()
    await post.say()

    assert [Place(SUCCESSOR)] * 2 == [said.place for said in post.fake.said]
    assert post.fake.tried == [("send", GROUP), ("send", SUCCESSOR), ("send", SUCCESSOR)]
    assert await post.people.migrations() == {GROUP: SUCCESSOR}


async def test_moves_outlive_a_restart(post: Post, database: Database) -> None:
    """Migrations outlive a restart, also two of one group."""
    await post.migrations.learn(GROUP, SUCCESSOR)
    await post.migrations.learn(SUCCESSOR, NEXT)
    later = Post(database)
    await later.migrations.follow()
    await later.say()

    assert [Place(NEXT)] == [said.place for said in later.fake.said]


async def test_same_news_twice_changes_nothing(post: Post) -> None:
    """Settings that were chosen in the successor since then stay."""
    await post.migrations.learn(GROUP, SUCCESSOR)
    await post.people.set_chat(SUCCESSOR, auto=True)
    await post.migrations.learn(GROUP, SUCCESSOR)

    assert (await post.people.chat(SUCCESSOR)).auto


async def test_rules_are_those_of_the_last_successor(post: Post) -> None:
    """The rules of a group that has moved twice, asked for by any of its ids."""
    await post.people.set_chat(GROUP, zone="UTC+1")
    await post.migrations.learn(GROUP, SUCCESSOR)
    await post.migrations.learn(SUCCESSOR, NEXT)
    await post.people.set_chat(NEXT, zone="UTC+2")

    ids = (GROUP, SUCCESSOR, NEXT)
    assert [(await post.migrations.rules(chat_id)).zone for chat_id in ids] == ["UTC+2"] * 3


async def test_circle_ends(post: Post) -> None:
    """Contradicting migrations do not cause an endless loop."""
    await post.migrations.learn(GROUP, SUCCESSOR)
    await post.migrations.learn(SUCCESSOR, GROUP)

    assert post.migrations.current(GROUP) in {GROUP, SUCCESSOR}
    assert {GROUP, SUCCESSOR} == set(await post.people.previous_ids(GROUP))


@pytest.mark.parametrize("is_known", [False, True])
async def test_old_messages_are_left_alone(post: Post, *, is_known: bool) -> None:
    """A message id of the old group means another message in the new one."""
    theirs = await post.fake.send(Place(SUCCESSOR), HELLO, language="en")
    if is_known:
        await post.migrations.learn(GROUP, SUCCESSOR)
    else:
        post.fake.trouble(Trouble("edit", ChatMoved(SUCCESSOR), GROUP, times=0))
        post.fake.trouble(Trouble("delete", ChatMoved(SUCCESSOR), GROUP, times=0))
    with pytest.raises(MessageGone):
        await post.messenger.edit(GROUP, theirs, Notice("paused"), language="en")
    await post.messenger.delete(GROUP, theirs)

    assert {theirs: HELLO} == post.fake.shown(SUCCESSOR)


@pytest.mark.parametrize("call", ["send", "edit"])
async def test_gone_is_told(post: Post, call: str) -> None:
    """The caller gets the error, and the callback learns which chat is gone."""
    post.fake.trouble(Trouble(call, ChatGone("kicked"), GROUP))
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "send": post.say,
        "edit": lambda: post.messenger.edit(GROUP, 1, HELLO, language="en"),
    }
    with pytest.raises(ChatGone):
        await calls[call]()

    assert post.gone == [GROUP]


async def test_successor_that_is_gone(post: Post) -> None:
    """The callback gets the id that the caller used."""
    await post.migrations.learn(GROUP, SUCCESSOR)
    post.fake.trouble(Trouble("send", ChatGone("kicked"), SUCCESSOR))
    with pytest.raises(ChatGone):
        await post.say()

    assert post.gone == [GROUP]


async def test_members_of_a_group_that_moved(post: Post) -> None:
    """The members are those of the successor; a refusal tells its id."""
    post.fake_members.sights[SUCCESSOR] = GroupVisibility(is_here=True)
    post.fake_members.admins.add((SUCCESSOR, 5))
    post.fake_members.troubles = [ChatMoved(SUCCESSOR)]
    is_admin = await post.members.is_admin(GROUP, 5)
    sight = await post.members.sight(GROUP)
    await post.members.leave(GROUP)
    asked = post.fake_members.asked

    assert is_admin
    assert sight.is_here
    assert [chat_id for _, chat_id in asked] == [GROUP, SUCCESSOR, SUCCESSOR, SUCCESSOR]


async def test_nothing_reacts_to_what_stayed_behind(post: Post) -> None:
    """The same message id names another message in the successor."""
    await post.messenger.react(GROUP, 7, Reaction.DONE)
    await post.migrations.learn(GROUP, SUCCESSOR)
    with pytest.raises(MessageGone):
        await post.messenger.react(GROUP, 7, Reaction.DONE)

    assert post.fake.reactions == [(GROUP, 7, Reaction.DONE)]
