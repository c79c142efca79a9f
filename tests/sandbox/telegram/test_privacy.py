"""Privacy mode: what of a group arrives."""

import pytest

from bot.sandbox.telegram import Group, TelegramStandIn, User
from tests.sandbox.telegram.conftest import Call

NAME = "relay_sandbox_bot"


async def arrived(call: Call) -> list[str]:
    """Return the texts of the messages that came."""
    found = (await call("getUpdates"))["result"]
    messages = [update["message"] for update in found if "message" in update]
    return [message.get("text") or message.get("caption") or "-" for message in messages]


@pytest.fixture
def group(tg: TelegramStandIn, alice: User) -> Group:
    """A group in which the bot is a plain member."""
    return tg.add_group("Team", alice)


async def test_default(call: Call, group: Group, alice: User) -> None:
    """Commands for this bot and replies to it arrive; files, talk and mentions do not."""
    own = await call("sendMessage", chat_id=group.id, text="I am here")
    document = await group.send_file(alice, content=b"x", name="a.txt")
    for text in ("hello", f"@{NAME} hello", "/save@other_bot"):
        await group.send_text(alice, text)
    await group.send_text(alice, f"/save@{NAME}", reply_to=document)
    await group.send_text(alice, f"please /save@{NAME.upper()} this")
    await group.send_text(alice, "reply", reply_to=own["result"]["message_id"])
    await group.send_file(alice, content=b"x", caption=f"/save@{NAME}")
    await group.send_file(alice, content=b"x", reply_to=own["result"]["message_id"])

    assert [
        f"/save@{NAME}",
        f"please /save@{NAME.upper()} this",
        "reply",
        f"/save@{NAME}",
        "-",
    ] == await arrived(call)


async def test_the_replied_file_comes_along(call: Call, group: Group, alice: User) -> None:
    """A command in reply to a file brings the file, although the bot never saw it."""
    document = await group.send_file(alice, content=b"x", name="a.txt")
    await group.send_text(alice, f"/save@{NAME}", reply_to=document)
    update = (await call("getUpdates"))["result"][0]

    assert update["message"]["reply_to_message"]["document"]["file_name"] == "a.txt"


async def test_general_commands(
    call: Call, tg: TelegramStandIn, group: Group, alice: User
) -> None:
    """`/start` arrives only while this bot was the last bot to write in the group."""
    other = tg.add_user("Other", username="other_bot", is_bot=True)
    await group.send_text(alice, "/one")
    await call("sendMessage", chat_id=group.id, text="I am here")
    await group.send_text(alice, "/two")
    await group.send_text(other, "So am I")
    await group.send_text(alice, "/three")

    assert await arrived(call) == ["/two"]


async def test_switches(call: Call, tg: TelegramStandIn, group: Group, alice: User) -> None:
    """What the real server does in doubtful cases can be chosen."""
    tg.privacy.caption_commands = False
    tg.privacy.mentions = True
    await group.send_file(alice, content=b"x", caption=f"/save@{NAME}")
    await group.send_text(alice, f"hi @{NAME}")

    assert [f"hi @{NAME}"] == await arrived(call)


async def test_administrators_see_everything(call: Call, tg: TelegramStandIn, alice: User) -> None:
    """An administrator sees everything but other bots' messages."""
    group = tg.add_group("Team", alice, bot="administrator")
    other = tg.add_user("Other", username="other_bot", is_bot=True)
    await group.send_text(alice, "hello")
    await group.send_text(other, "I am a bot")

    assert await arrived(call) == ["hello"]


async def test_privacy_off(call: Call, tg: TelegramStandIn, group: Group, alice: User) -> None:
    """Switched off, everything arrives, but only in groups that the bot has entered since."""
    tg.privacy.reads_all = True
    await group.send_text(alice, "before")
    new = tg.add_group("New", alice)
    await new.send_text(alice, "new")
    await group.kick_bot(alice)
    await group.invite_bot(alice)
    await group.send_text(alice, "after")
    me = await call("getMe")

    assert await arrived(call) == ["new", "-", "after"]
    assert me["result"]["can_read_all_group_messages"]


async def test_service_messages(call: Call, tg: TelegramStandIn, group: Group) -> None:
    """What the server says itself always arrives."""
    await group.join(tg.add_user("Bob"))

    assert await arrived(call) == ["-"]
