"""The sender's side of pages in private: the answer, its options, and what they do. One bot serves
all tests, each with a person of its own.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
import pytest_asyncio
from argon2 import PasswordHasher

from bot.core.ports.views import PageOption
from bot.demo.local_stack import LocalStack
from tests.conversations.groups import ledger_of
from tests.conversations.people import Person, link_of, links_of
from tests.conversations.senders import (
    ORIGIN,
    PAGES,
    SAID,
    count,
    press_late,
    send,
    send_album,
    texts_of,
)
from tests.fakes.ledger import put_empty_ledger
from tests.fakes.profile import put_profile

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = re.compile(rf"{ORIGIN}/[A-Za-z0-9_-]{{22}}")


@dataclass(frozen=True)
class Town:
    """People who may use the bot; the name of one of them plays tricks."""

    people: list[Person]
    evil: Person


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """A bot for all tests of this module."""
    async with LocalStack(tmp_path_factory.mktemp("town"), more=PAGES) as stage:
        put_empty_ledger(stage.folder / "relay.sqlite3")
        await put_profile(stage.telegram)
        evil = Person(stage, "<b>E\u202evil</b>/x")
        people = [Person(stage, f"Alice {number}") for number in range(40)]
        await stage.start_bot(evil.id, *(person.id for person in people))
        yield Town(people, evil)


@pytest.fixture
def alice(town: Town) -> Person:
    """A person whom no other test knows."""
    return town.people.pop()


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
    key = (await sender.page()).files[0].stored.key
    sender.stage.clock.advance(timedelta(minutes=10))
    await sender.shows("The link has expired")

    await sender.stage.oss.wait_for(lambda: key not in sender.stage.bucket.objects)
    assert texts_of(await sender.offers("Send again")) == ["Send again"]


async def test_a_time_that_has_passed_is_refused(alice: Person) -> None:
    """A button that was shown before does not end the link by accident."""
    sender = await send(alice)
    await sender.choose("Options…", "Expires…")
    await sender.offers("10 min")
    sender.stage.clock.advance(timedelta(minutes=11))

    assert "has already passed" in await sender.press("10 min")
    assert (await sender.page()).open_files(sender.stage.clock.now())


async def test_downloads_are_limited_and_allowed_again(alice: Person) -> None:
    """A used one-time link says so; one press allows one more, a late one does not."""
    sender = await send(alice)
    await sender.choose("Options…", "Downloads…", "1")
    await sender.shows("can be downloaded once")
    page = await sender.page()
    now = sender.stage.clock.now()
    async with ledger_of(sender.stage) as ledger:
        used = [(await ledger.pages.use(page.page.token, 1, now)).is_given for _ in range(2)]
    sender.stage.clock.advance(timedelta(seconds=30))
    await sender.shows("All downloads are used up.")
    arm = (await sender.offers("Allow again")).button("Allow again")
    assert arm is not None
    assert arm.data is not None
    assert "count from zero" in await sender.press("Allow again")
    async with ledger_of(sender.stage) as ledger:
        again = await ledger.pages.use(page.page.token, 1, sender.stage.clock.now())
    await sender.choose("Downloads…", "5", "Downloads…", "1")

    assert used == [True, False]
    assert again.is_given
    assert (await sender.page()).files[0].used == 0


async def test_a_late_press_arms_nothing(alice: Person) -> None:
    """What was pressed for an earlier download allows no later one."""
    sender = await send(alice)
    await sender.choose("Options…", "Downloads…", "1")
    page = await sender.page()
    token = page.page.token
    async with ledger_of(sender.stage) as ledger:
        await ledger.pages.use(token, 1, sender.stage.clock.now())
    sender.stage.clock.advance(timedelta(seconds=30))
    await sender.shows("All downloads are used up")
    await sender.offers("Allow again")
    async with ledger_of(sender.stage) as ledger:
        await ledger.pages.rearm(page.page.id)
        await ledger.pages.use(token, 1, sender.stage.clock.now())

    assert "was used in the meantime" in await sender.press("Allow again")
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


async def test_a_name_on_the_page(town: Town) -> None:
    """The sender's name is shown if they choose so, without anything that plays tricks."""
    sender = await send(town.evil)
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
    await sender.shows("tell you of each download")
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
    await sender.shows("tell you of the first download")
    page = await sender.page()
    await count(sender, page, 1)
    await alice.until(lambda: any("was downloaded once" in m.text for m in alice.said))
    await count(sender, page, 1)
    sender.stage.clock.advance(timedelta(minutes=2))
    await sender.shows("Downloaded 2 times")

    assert sum("was downloaded" in m.text for m in alice.said) == 1


async def test_an_album_has_one_link(alice: Person) -> None:
    """All files of an album are on one page, and each can be deleted."""
    sender = await send_album(alice, "", "")

    assert links_of(sender.answer) == [sender.url]
    assert "1. 0.bin · 99 B" in sender.answer.text
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


@pytest.mark.parametrize("captioned", [0, 2])
async def test_wishes_of_an_album(alice: Person, captioned: int) -> None:
    """They hold for all its files, before and after the one with the caption."""
    captions = ["", "", ""]
    captions[captioned] = "/share 1h once"
    sender = await send_album(alice, *captions)
    stored = [file.stored for file in (await sender.page()).files]

    assert [s.due_at - (s.completed_at or s.due_at) for s in stored] == [timedelta(hours=1)] * 3
    assert "can be downloaded once" in sender.answer.text


TWICE = SAID | {PageOption.PASSWORD: "has a password already"}


@pytest.mark.parametrize("option", SAID)
async def test_pressed_twice_and_after_the_end(alice: Person, option: PageOption) -> None:
    """A press that comes again changes nothing more, and one after the end nothing at all."""
    sender = await send(alice)
    content = await sender.page()
    data, job = await sender.data(option), content.files[0].job_id
    first = await press_late(sender, data)
    async with ledger_of(sender.stage) as ledger:
        before = await ledger.pages.of_jobs([job])
    second = await press_late(sender, data)
    async with ledger_of(sender.stage) as ledger:
        after = await ledger.pages.of_jobs([job])
        await ledger.objects.revoke(job, sender.stage.clock.now())
        late = await press_late(sender, data)
        ended = (await ledger.pages.of_jobs([job]))[job].page

    assert (first == "", second == "") == (SAID[option] == "", TWICE[option] == "")
    assert SAID[option] in first
    assert TWICE[option] in second
    assert before == after
    assert "Too late" in late
    assert ended == after[job].page
