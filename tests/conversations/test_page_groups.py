"""Pages and groups, and what a restart or another mode means for a page."""

from datetime import timedelta

import pytest

from bot.core.ports.views import PageOption
from bot.demo.local_stack import LocalStack
from bot.sandbox.faults import Effect, Fault
from bot.sandbox.telegram import User, VisibleMessage
from tests.conversations.groups import Room, ledger_of, open_room
from tests.conversations.people import Person, links_of
from tests.conversations.senders import ORIGIN, PAGES, SAID, press_late, send, texts_of


@pytest.fixture(autouse=True)
def _pages(stage: LocalStack) -> None:
    stage.more |= PAGES


async def test_buttons_work_after_a_restart(stage: LocalStack, alice: Person) -> None:
    """A menu that was open before is open no more, and its buttons do what they say."""
    sender = await send(alice)
    await sender.choose("Options…", "Downloads…")
    await sender.offers("5")
    await stage.stop_bot()
    await stage.start_bot(alice.id)
    await sender.press("5")
    await sender.shows("can be downloaded 5 times")

    assert "Pause" in texts_of(await sender.offers("Pause"))


@pytest.mark.parametrize("mode", ["signed", "public"])
async def test_wishes_without_pages(stage: LocalStack, mode: str) -> None:
    """A link without a page ends when it was asked to; one that nothing counts is not made, for
    no file of the album.
    """
    stage.more["RELAY_LINK__MODE"] = mode
    person = Person(stage, "Alice")
    await stage.start_bot(person.id)
    hour = await person.answered(await person.send(b"x", "a.bin", caption="/share 1h"))
    stage.clock.advance(timedelta(seconds=5))
    once = await person.answered(await person.send(b"x", "b.bin", caption="/share once"))
    stage.clock.advance(timedelta(seconds=5))
    refused = await person.send(b"x", "c.bin", caption="/share once", media_group_id="7")
    await person.send(b"x", "d.bin", media_group_id="7")
    said = await person.answered(refused)
    stage.clock.advance(timedelta(seconds=5))
    last = await person.answered(await person.send(b"x", "e.bin"))

    assert "in 59 min" in hour.text or "in 1 h" in hour.text
    assert "cannot limit the downloads" in once.text
    assert once.text == said.text
    assert "e.bin" in last.text
    assert not any("d.bin" in message.text for message in person.said)


@pytest.mark.long
async def test_every_option_after_a_restart(stage: LocalStack) -> None:
    """Buttons that were shown before the restart do what they say."""
    people = {option: Person(stage, option.value) for option in SAID}
    await stage.start_bot(*(person.id for person in people.values()))
    senders = {option: await send(person) for option, person in people.items()}
    await stage.stop_bot()
    await stage.start_bot(*(person.id for person in people.values()))
    said = {
        option: await press_late(sender, await sender.data(option))
        for option, sender in senders.items()
    }

    assert {option for option, told in said.items() if SAID[option] not in told} == set()
    assert {option for option, told in said.items() if not told} == {
        option for option, told in SAID.items() if not told
    }


async def test_a_removed_person_closes_but_sends_nothing(stage: LocalStack, alice: Person) -> None:
    """Who may use the bot no more still ends the own link, and gets no new one."""
    sender = await send(alice)
    await stage.stop_bot()
    await stage.start_bot(Person(stage, "Other").id)
    paused = await press_late(sender, await sender.data(PageOption.PAUSE))
    again = await sender.data(PageOption.AGAIN)
    await sender.choose("Back", "Delete now")
    await sender.offers("Send again")
    refused = await press_late(sender, again)

    assert "closed until" in paused
    assert "Only the person" in refused


async def test_an_answer_without_formatting(stage: LocalStack, alice: Person) -> None:
    """Where Telegram refuses the answer, a plain one has the address, and says what holds."""
    args: dict[str, str | int | float] = {
        "status": 400,
        "description": "Bad Request: can't parse entities: no end",
    }
    where = {"chat_id": str(alice.id), "disable_notification": "False"}
    stage.telegram.faults.add(Fault("sendMessage", Effect.ERROR, times=1, where=where, args=args))
    await alice.send(b"x" * 1000, "report.pdf", caption="/share once")
    await alice.until(lambda: bool(alice.said))
    answer = alice.said[0]
    async with ledger_of(stage) as ledger:
        (content,) = await ledger.pages.live(9)
    stage.clock.advance(timedelta(hours=24))
    await alice.until(lambda: "has expired" in alice.shown(answer).text)

    assert {entity["type"] for entity in answer.entities} == {"url"}
    assert not answer.buttons
    assert f"{ORIGIN}/{content.page.token}" in answer.text
    assert "can be downloaded once" in answer.text


def all_in_groups(stage: LocalStack) -> None:
    """Offer all options in groups."""
    stage.more["RELAY_LINK__OPTIONS_IN_GROUPS"] = "all"


async def share(room: Room, who: User) -> VisibleMessage:
    """Let a member share a file, and return the answer."""
    file = await room.send(who, b"x" * 1000, "plan.pdf")
    return await room.answered(await room.share(who, file))


async def test_few_options_in_groups(room: Room, anna: User, ben: User) -> None:
    """All members read a group, so only some options are offered; others must not press them."""
    answer = await share(room, ben)
    refused = await room.press(room.stage.telegram.add_user("Eve"), answer, "选项…")
    await room.press(ben, answer, "选项…")
    await room.until(lambda: room.shown(answer).button("暂停") is not None)
    shown = [b.text for row in room.shown(answer).buttons for b in row]
    paused = await room.press(anna, answer, "暂停")
    await room.until(lambda: "已暂停" in room.shown(answer).text)

    assert "Only the person who asked" in (refused.answer.text if refused.answer else "")
    assert shown == ["有效期…", "暂停", "更换网址", "返回"]
    assert paused.answer is not None
    assert "Paused" in paused.answer.text


async def test_a_password_of_a_group_goes_to_private(
    stage: LocalStack, anna: User, ben: User
) -> None:
    """Who cannot be written to gets no password, and the page keeps none."""
    all_in_groups(stage)
    room = open_room(stage, anna, ben)
    await stage.start_bot()
    answer = await share(room, anna)
    chat = stage.telegram.private_chat(anna)
    await room.press(anna, answer, "Options…")
    await room.until(lambda: room.shown(answer).button("Password") is not None)
    said = await room.press(anna, room.shown(answer), "Password")
    await room.until(lambda: any("Password of plan.pdf" in m.text for m in chat.messages))

    assert said.answer is not None
    assert "private chat" in said.answer.text
    assert not any("Password of" in m.text for m in room.said)
    await room.until(lambda: room.shown(answer).button("Remove password") is not None)


async def test_wishes_of_an_album_in_a_group(stage: LocalStack, anna: User, ben: User) -> None:
    """What comes of the album after a restart is held to them too."""
    room = open_room(stage, anna, ben, bot="administrator")
    await stage.start_bot()
    caption = f"/share@{stage.telegram.username} 1h once"
    first = await room.send(anna, b"a", "a.bin", media_group_id="6", caption=caption)
    await stage.oss.wait_for(lambda: bool(stage.bucket.objects))
    stage.clock.advance(timedelta(seconds=5))
    await room.answered(first)
    await stage.stop_bot()
    late = await room.send(anna, b"b", "b.bin", media_group_id="6")
    await stage.start_bot()
    await stage.oss.wait_for(lambda: len(stage.bucket.objects) == 2)
    stage.clock.advance(timedelta(seconds=5))
    answer = await room.answered(late)
    async with ledger_of(stage) as ledger:
        page = await ledger.pages.find(links_of(answer)[0].rpartition("/")[2])
    assert page is not None
    stored = page.files[0].stored

    assert page.page.options.most_downloads == 1
    assert stored.due_at - (stored.completed_at or stored.due_at) == timedelta(hours=1)


async def test_a_password_that_cannot_be_told(stage: LocalStack, anna: User, ben: User) -> None:
    """Who never started the bot is told so in the group, and the page opens without a password."""
    all_in_groups(stage)
    room = open_room(stage, anna, ben)
    await stage.start_bot()
    answer = await share(room, anna)
    await room.press(anna, answer, "Options…")
    await room.until(lambda: room.shown(answer).button("Password") is not None)
    await room.press(anna, room.shown(answer), "Password")
    await room.until(lambda: any("I cannot message you" in said.text for said in room.said))
    told = next(said for said in room.said if "I cannot message you" in said.text)
    await room.until(lambda: room.shown(answer).button("Password") is not None)
    async with ledger_of(stage) as ledger:
        (content,) = await ledger.pages.live(9)

    assert f"https://t.me/{stage.telegram.username}" in told.text
    assert told.reply_to == answer.id
    assert content.page.options.password_hash is None
    assert "Protected" not in room.shown(answer).text


async def test_a_page_of_a_group_that_moved(stage: LocalStack, anna: User, ben: User) -> None:
    """In the supergroup its options are the same, for its owner and for admins."""
    room = open_room(stage, anna, ben, supergroup=False)
    await stage.start_bot()
    await stage.stop_bot()
    await room.share(ben, await room.send(anna, b"plan", "plan.pdf"))
    successor = Room(stage, await room.group.migrate(anna))
    await stage.start_bot()
    await successor.until(lambda: any("plan.pdf" in said.text for said in successor.said))
    answer = next(said for said in successor.said if "plan.pdf" in said.text)
    await successor.press(ben, answer, "选项…")
    await successor.until(lambda: successor.shown(answer).button("暂停") is not None)
    paused = await successor.press(anna, successor.shown(answer), "暂停")
    await successor.until(lambda: "已暂停" in successor.shown(answer).text)
    async with ledger_of(stage) as ledger:
        (content,) = await ledger.pages.live(9)

    assert paused.answer is not None
    assert "Paused" in paused.answer.text
    assert content.page.options.is_paused


async def test_a_page_of_an_anonymous_admin(room: Room, anna: User, ben: User) -> None:
    """It belongs to the group: its admins change it, members do not, and it shows no name."""
    file = await room.send(anna, b"plan", "plan.pdf")
    answer = await room.answered(await room.share(anna, file, as_chat=room.group))
    refused = await room.press(ben, answer, "Options…")
    await room.press(anna, answer, "Options…")
    await room.until(lambda: room.shown(answer).button("Pause") is not None)
    paused = await room.press(anna, room.shown(answer), "Pause")
    await room.until(lambda: "Paused" in room.shown(answer).text)

    assert "只有发起请求的人或群管理员" in (refused.answer.text if refused.answer else "")
    assert "Paused" in (paused.answer.text if paused.answer else "")
