"""A person with an answer that has a page, as tests of its options see them."""

from datetime import timedelta

from bot.adapters.telegram.buttons import ButtonCodec, OptionButton
from bot.core.ports.pages import PageContent
from bot.core.ports.views import PageMenu, PageOption
from bot.sandbox.telegram import CallbackQuery, VisibleMessage
from tests.conversations.groups import ledger_of
from tests.conversations.people import Person, links_of

ORIGIN = "http://127.0.0.1:8080"
PAGES = {"RELAY_LINK__MODE": "page", "RELAY_WEB__PORT": "0", "RELAY_WEB__URL": ORIGIN}
"""Settings of a bot whose links lead to pages; these tests open none."""
VALUES = {
    PageOption.MENU: PageMenu.DOWNLOADS,
    PageOption.EXPIRES: 60,
    PageOption.DOWNLOADS: 5,
    PageOption.PASSWORD: 1,
    PageOption.PAUSE: 1,
    PageOption.TELL: 2,
    PageOption.NAME: 1,
}
SAID = {
    PageOption.MENU: "",
    PageOption.EXPIRES: "",
    PageOption.DOWNLOADS: "has a minute to begin",
    PageOption.PASSWORD: "has a password now",
    PageOption.QR: "QR code is below",
    PageOption.PAUSE: "closed until you resume",
    PageOption.ADDRESS: "new address",
    PageOption.TELL: "",
    PageOption.ARM: "count from zero",
    PageOption.NAME: "",
}
"""What is said to the press of each option of a live page; nothing where the answer shows it."""


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

    async def data(self, option: PageOption) -> str:
        """What a button of an option sends that is shown now, or was shown before."""
        page = (await self.page()).page
        known = {PageOption.ADDRESS: page.generation, PageOption.ARM: page.downloads}
        values = VALUES | known
        codec = ButtonCodec(self.stage.telegram.token.encode())
        job_id = (await self.page()).files[0].job_id
        return codec.encode(OptionButton(option, job_id, values.get(option, 0)))

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


async def send_album(person: Person, *captions: str) -> Sender:
    """Let a person send an album of files with these captions, and wait for its answer."""
    stage, before = person.stage, len(person.said)
    count = len(stage.bucket.objects) + len(captions)
    for number, caption in enumerate(captions):
        await person.send(b"x" * 99, f"{number}.bin", media_group_id="77", caption=caption)
    await stage.oss.wait_for(lambda: len(stage.bucket.objects) == count)
    # No more files come.
    stage.clock.advance(timedelta(seconds=5))
    await person.until(lambda: len(person.said) > before)
    return Sender(person, person.said[before])


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
