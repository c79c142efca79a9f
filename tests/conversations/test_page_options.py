"""The sender's side of pages: the answer, its options, and what they do."""

import re
from datetime import timedelta

import pytest
from argon2 import PasswordHasher

from bot.core.ports.pages import PageContent
from bot.demo.local_stack import LocalStack
from bot.sandbox.telegram import CallbackQuery, User, VisibleMessage
from tests.conversations.groups import Room, ledger_of, open_room
from tests.conversations.people import Person, link_of, links_of

ORIGIN = "http://127.0.0.1:8080"
TOKEN = re.compile(rf"{ORIGIN}/[A-Za-z0-9_-]{{22}}")


@pytest.fixture(autouse=True)
def _pages(stage: LocalStack) -> None:
    stage.more |= {
        "RELAY_LINK__MODE": "page",
        "RELAY_WEB__PORT": "0",
        "RELAY_WEB__URL": ORIGIN,
    }


def texts_of(message: VisibleMessage) -> list[str]:
    """The texts of all buttons."""
    return [button.text for row in message.buttons for button in row]


class Sender:
    """A person with an answer that has a page."""

    def __init__(self, person: Person, answer: VisibleMessage) -> None:
        self.person = person
        self.stage = person.stage
        self._answer = answer

    @property
    def answer(self) -> VisibleMessage:
        """The answer as it is now."""
        return self.person.shown(self._answer)

    @property
    def url(self) -> str:
        """The link of the answer."""
        return links_of(self.answer)[0]

    async def press(self, button: str) -> str:
        """Press a button and return what is said to it."""
        query = await self.person.press(self.answer, button)
        assert query.answer is not None
        return query.answer.text or ""

    async def choose(self, *buttons: str) -> str:
        """Press buttons one after the other, each once it is shown; return what is said last."""
        said = ""
        for button in buttons:
            await self.offers(button)
            self.stage.clock.advance(timedelta(seconds=5))
            said = await self.press(button)
        return said

    async def offers(self, button: str) -> VisibleMessage:
        """Wait until the answer has a button."""
        await self.person.until(lambda: self.answer.button(button) is not None)
        return self.answer

    async def shows(self, text: str) -> VisibleMessage:
        """Wait until the answer shows a text."""
        await self.person.until(lambda: text in self.answer.text)
        return self.answer

    async def page(self) -> PageContent:
        """The page behind the answer, from the ledger."""
        async with ledger_of(self.stage) as ledger:
            found = await ledger.pages.find(self.url.rpartition("/")[2])
        assert found is not None
        return found


async def send(person: Person, name: str = "report.pdf", **more: str) -> Sender:
    """Let a person send a file, and wait for its answer."""
    message = await person.send(b"x" * 1000, name, **more)
    return Sender(person, await person.answered(message))


async def test_an_answer_leads_to_a_page(alice: Person) -> None:
    """The link is short, so that a button copies it, and can be deleted and changed."""
    sender = await send(alice)
    url = link_of(sender.answer)

    assert TOKEN.fullmatch(url)
    assert links_of(sender.answer) == [url]
    assert url in sender.answer.text
    assert texts_of(sender.answer) == ["Open", "Copy link", "Delete now", "Options…"]


async def test_the_options_open_and_close(alice: Person) -> None:
    """The buttons of the options take the place of those of the answer, and back."""
    sender = await send(alice)
    await sender.choose("Options…")
    opened = texts_of(await sender.offers("Expires…"))
    await sender.choose("Downloads…")
    downloads = texts_of(await sender.offers("• No limit"))
    await sender.choose("Back")
    await sender.offers("Pause")
    await sender.choose("Back")

    assert opened == [
        "Expires…",
        "Downloads…",
        "Password",
        "QR code",
        "Pause",
        "New address",
        "Tell me…",
        "Show my name",
        "Back",
    ]
    assert downloads == ["1", "5", "• No limit", "Back"]
    assert "Delete now" in texts_of(await sender.offers("Options…"))


async def test_a_link_ends_earlier_and_later_again(alice: Person) -> None:
    """The end counts from the upload; a time that has passed cannot be chosen."""
    sender = await send(alice)
    start = (await sender.page()).files[0].stored.completed_at
    assert start is not None
    await sender.choose("Options…", "Expires…")
    offered = texts_of(await sender.offers("• 24 h"))
    await sender.choose("1 h")
    await sender.shows("in 59 min")
    hour = (await sender.page()).files[0].stored.due_at
    sender.stage.clock.advance(timedelta(minutes=20))
    await sender.choose("Expires…")
    later = texts_of(await sender.offers("• 1 h"))
    await sender.choose("24 h")
    await sender.shows("in 23 h")
    day = (await sender.page()).files[0].stored.due_at

    assert offered == ["10 min", "1 h", "6 h", "• 24 h", "Back"]
    assert later == ["• 1 h", "6 h", "24 h", "Back"]
    assert hour - start == timedelta(hours=1)
    assert day - start == timedelta(hours=23, minutes=55)


async def test_a_link_that_was_shortened_ends(alice: Person) -> None:
    """The end that was chosen is the end of the bytes too."""
    sender = await send(alice)
    await sender.choose("Options…", "Expires…", "10 min")
    await sender.shows("in 9 min")
    sender.stage.clock.advance(timedelta(minutes=10))
    await sender.shows("The link has expired")

    await alice.until(lambda: not sender.stage.bucket.objects)
    assert texts_of(await sender.offers("Send again")) == ["Send again"]


async def test_a_time_that_has_passed_is_refused(alice: Person) -> None:
    """A button that was shown before does not end the link by accident."""
    sender = await send(alice)
    await sender.choose("Options…", "Expires…")
    await sender.offers("10 min")
    sender.stage.clock.advance(timedelta(minutes=11))

    assert "has passed already" in await sender.press("10 min")
    assert (await sender.page()).open_files(sender.stage.clock.now())


async def test_downloads_are_limited_and_allowed_again(alice: Person) -> None:
    """A used one-time link says so; one press allows one more, a late one does not."""
    sender = await send(alice)
    await sender.choose("Options…", "Downloads…", "1")
    await sender.shows("can be downloaded once")
    page = await sender.page()
    job, now = page.files[0].job_id, sender.stage.clock.now()
    async with ledger_of(sender.stage) as ledger:
        used = [await ledger.pages.use(page.page.token, job, now) for _ in range(2)]
    await sender.shows("All of these downloads are used.")
    arm = (await sender.offers("Arm again")).button("Arm again")
    assert arm is not None
    assert arm.data is not None
    assert "once more" in await sender.press("Arm again")
    async with ledger_of(sender.stage) as ledger:
        again = await ledger.pages.use(page.page.token, job, sender.stage.clock.now())
    await sender.choose("Downloads…", "5", "Downloads…", "1")

    assert used == [True, False]
    assert again
    assert (await sender.page()).files[0].used == 0


async def test_a_late_press_arms_nothing(alice: Person) -> None:
    """What was pressed for an earlier download allows no later one."""
    sender = await send(alice)
    await sender.choose("Options…", "Downloads…", "1")
    page = await sender.page()
    token, job = page.page.token, page.files[0].job_id
    async with ledger_of(sender.stage) as ledger:
        await ledger.pages.use(token, job, sender.stage.clock.now())
    await sender.shows("All of these downloads")
    await sender.offers("Arm again")
    async with ledger_of(sender.stage) as ledger:
        await ledger.pages.rearm(page.page.id)
        await ledger.pages.use(token, job, sender.stage.clock.now())

    assert "was used meanwhile" in await sender.press("Arm again")
    assert (await sender.page()).files[0].used == 1


async def test_a_password_is_shown_once(alice: Person) -> None:
    """It is hidden until it is tapped, and is the one that the page asks for."""
    sender = await send(alice)
    assert "it is below" in await sender.choose("Options…", "Password")
    await alice.until(lambda: any("Password of" in m.text for m in alice.said))
    shown = next(m for m in alice.said if "Password of" in m.text)
    spoiler = next(e for e in shown.entities if e["type"] == "spoiler")
    words = shown.text[spoiler["offset"] :][: spoiler["length"]]
    page = await sender.page()

    assert len(words.split()) == 4
    assert PasswordHasher().verify(page.page.options.password_hash or "", words)
    assert shown.reply_to == sender.answer.id
    await sender.shows("Protected by a password")
    await sender.choose("Remove password")
    await sender.offers("Password")
    assert (await sender.page()).page.options.password_hash is None


async def test_a_password_is_made_once(alice: Person) -> None:
    """A press that comes twice makes no second password."""
    sender = await send(alice)
    await sender.choose("Options…")
    answer = await sender.offers("Password")
    await alice.chat.press(alice.user, answer, "Password")
    password = answer.button("Password")
    assert password is not None
    said = await sender.press(password.data or "")

    assert "already" in said
    await alice.until(lambda: any("Password of" in m.text for m in alice.said))
    assert sum("Password of" in m.text for m in alice.said) == 1


async def test_the_address_as_a_picture(alice: Person) -> None:
    """The QR code is a picture that leads to the page."""
    sender = await send(alice)
    url = link_of(sender.answer)
    await sender.choose("Options…", "QR code")
    await alice.until(lambda: any(m.file is not None for m in alice.said))
    picture = next(m for m in alice.said if m.file is not None)

    assert picture.file is not None
    assert picture.file.kind == "photo"
    assert picture.text == "The address of report.pdf as a QR code"
    assert picture.reply_to == sender.answer.id
    assert url != picture.text


async def test_a_new_address(alice: Person) -> None:
    """The old address dies; the press of an older answer changes nothing more."""
    sender = await send(alice)
    old = sender.url
    await sender.choose("Options…")
    button = (await sender.offers("New address")).button("New address")
    assert button is not None
    assert button.data is not None
    await sender.press("New address")
    await alice.until(lambda: sender.url != old)
    new = sender.url
    late = await press_late(sender, button.data)
    async with ledger_of(sender.stage) as ledger:
        gone = await ledger.pages.find(old.rpartition("/")[2])

    assert gone is None
    assert "new address" in late
    assert (await sender.page()).page.token == new.rpartition("/")[2]


async def test_a_pause(alice: Person) -> None:
    """A paused page is closed, and can be opened again; both may come twice."""
    sender = await send(alice)
    await sender.choose("Options…")
    pause = (await sender.offers("Pause")).button("Pause")
    assert pause is not None
    assert pause.data is not None
    assert "closed until you resume" in await sender.press("Pause")
    await sender.shows("Paused: the link is closed for now.")
    assert "closed until you resume" in await press_late(sender, pause.data)
    assert (await sender.page()).page.options.is_paused
    await sender.choose("Resume")
    await sender.offers("Pause")
    assert not (await sender.page()).page.options.is_paused


async def test_a_name_on_the_page(stage: LocalStack) -> None:
    """The sender's name is shown if they choose so, without anything that plays tricks."""
    person = Person(stage, "<b>E\u202evil</b>/x")
    await stage.start_bot(person.id)
    sender = await send(person)
    await sender.choose("Options…", "Show my name")
    await sender.shows("The page shows your name")
    name = (await sender.page()).page.options.sender
    await sender.choose("Hide my name")
    await sender.offers("Show my name")

    assert name == "_b_Evil__b__x"
    assert (await sender.page()).page.options.sender is None


async def test_the_sender_is_told_of_downloads(alice: Person) -> None:
    """Downloads are counted in the answer, and told in one message a minute at most."""
    sender = await send(alice)
    page = await sender.page()
    await count(sender, page, 1)
    await sender.shows("Downloaded once, at ")
    await sender.choose("Options…", "Tell me…", "At each download")
    await sender.shows("You are told of downloads.")
    await count(sender, page, 2)
    await alice.until(lambda: any("was downloaded 3 times" in m.text for m in alice.said))
    await count(sender, page, 1)
    await count(sender, page, 1)
    sender.stage.clock.advance(timedelta(minutes=1))
    await alice.until(lambda: any("was downloaded 5 times" in m.text for m in alice.said))
    await sender.shows("Downloaded 5 times, last ")

    assert [m.text for m in alice.said if "was downloaded 4" in m.text] == []
    assert sum("was downloaded" in m.text for m in alice.said) == 2


async def test_only_the_first_download_is_told(alice: Person) -> None:
    """Who wants to know of the first one hears of no other."""
    sender = await send(alice)
    await sender.choose("Options…", "Tell me…", "At the first download")
    await sender.shows("You are told of the first download.")
    page = await sender.page()
    await count(sender, page, 1)
    await alice.until(lambda: any("was downloaded once" in m.text for m in alice.said))
    await count(sender, page, 1)
    sender.stage.clock.advance(timedelta(minutes=2))
    await sender.shows("Downloaded 2 times")

    assert sum("was downloaded" in m.text for m in alice.said) == 1


async def test_an_album_has_one_link(alice: Person) -> None:
    """All files of an album are on one page, and each can be deleted."""
    for name in ("a.bin", "b.bin"):
        await alice.send(name.encode(), name, media_group_id="77")
    await alice.until(lambda: bool(alice.said))
    sender = Sender(alice, alice.said[0])

    assert links_of(sender.answer) == [sender.url]
    assert "1. a.bin · 5 B" in sender.answer.text
    assert "Open the link to all files" in sender.answer.text
    assert texts_of(sender.answer) == ["Open", "Copy link", "Delete 1", "Delete 2", "Options…"]
    await sender.press("Delete 1")
    await sender.shows("Deleted")
    assert texts_of(sender.answer) == ["Open", "Copy link", "Delete 2", "Options…"]


async def test_an_ended_link_is_sent_again(alice: Person) -> None:
    """After the end one press relays the file once more, without an upload of the person."""
    sender = await send(alice)
    old = sender.url
    options = (await sender.offers("Options…")).button("Options…")
    assert options is not None
    assert options.data is not None
    await sender.press("Delete now")
    await sender.offers("Send again")
    late = await press_late(sender, options.data)
    said = await sender.press("Send again")
    again = await sender.press("Send again")
    await alice.until(lambda: any(m.reply_to == sender.answer.id for m in alice.said))
    answers = [m for m in alice.said if m.reply_to == sender.answer.id]

    assert "Too late" in late
    assert "being sent again" in said
    assert "being sent again" in again
    assert len(answers) == 1
    assert texts_of(answers[0]) == ["Open", "Copy link", "Delete now", "Options…"]
    assert links_of(answers[0]) != [old]


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


async def test_links_lead_to_pages(alice: Person) -> None:
    """`/links` has the addresses of pages."""
    sender = await send(alice)
    listed = await alice.answered(await alice.write("/links"))

    assert links_of(listed) == [sender.url]


async def test_wishes_in_a_caption(alice: Person) -> None:
    """How long, how often and under which name can be said with the file."""
    sender = await send(alice, caption="/share 1h once as 年报 2026.pdf")
    page = await sender.page()
    stored = page.files[0].stored
    assert stored.completed_at is not None

    assert page.files[0].name == "年报 2026.pdf"
    assert page.page.options.most_downloads == 1
    assert stored.due_at - stored.completed_at == timedelta(hours=1)
    assert "can be downloaded once" in sender.answer.text


async def press_late(sender: Sender, data: str) -> str:
    """Let a client send the data of a button that the answer shows no more."""
    person = sender.person
    query = CallbackQuery(
        person.chat.require(sender.answer), person.user, data, sender.stage.clock.now()
    )
    world = person.chat.world
    world.queries[query.id] = query
    world.emit("callback_query", query.json(), chat_id=person.chat.id, date=query.at)
    await world.touch()
    await person.until(lambda: query.answer is not None)
    assert query.answer is not None
    return query.answer.text


async def count(sender: Sender, page: PageContent, downloads: int) -> None:
    """Count downloads, as the web server does."""
    async with ledger_of(sender.stage) as ledger:
        one = page.page.id, page.files[0].job_id
        await ledger.pages.count({one: downloads}, sender.stage.clock.now())
    sender.stage.clock.advance(timedelta(seconds=30))


def all_in_groups(stage: LocalStack) -> None:
    """Offer all options in groups."""
    stage.more["RELAY_LINK__OPTIONS_IN_GROUPS"] = "all"


async def share(room: Room, who: User) -> VisibleMessage:
    """Let a member share a file, and return the answer."""
    file = await room.send(who, b"x" * 1000, "plan.pdf")
    return await room.answered(await room.share(who, file))


async def test_few_options_in_groups(room: Room, anna: User, ben: User) -> None:
    """Everybody reads a group, so only some options are offered; others must not press them."""
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
