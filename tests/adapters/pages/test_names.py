"""Names of files and senders that would put elements or headers into an answer."""

from html.parser import HTMLParser

import pytest
from sqlalchemy import Connection, update

from bot.adapters.ledger.schema import jobs
from bot.core.ports.pages import PageContent, file_url
from tests.adapters.pages.site import CURL, ORIGIN, Site, path_of
from tests.conversations.test_names import CHOSEN


class Elements(HTMLParser):
    """What a browser finds in HTML: elements and attributes, and texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember an element."""
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Remember a text."""
        self.texts.append(data)

    @property
    def shape(self) -> list[tuple[str, tuple[str, ...]]]:
        """The elements with the names of their attributes, without the pictures of the kinds of
        files, which depend on extensions.
        """
        return [
            (tag, tuple(attributes))
            for tag, attributes in self.elements
            if tag not in {"svg", "path"}
        ]

    @property
    def previews(self) -> list[str | None]:
        """What messengers show."""
        return [
            attributes.get("content")
            for tag, attributes in self.elements
            if tag == "meta" and (attributes.get("property") == "og:title")
        ]


async def test_naughty_names(site: Site) -> None:
    """With any names of files and of their sender the page has the elements of any page,
    and shows them as they are: in the heading, in previews, and in the addresses.
    """
    names = [name for name in CHOSEN if name.strip() and "\0" not in name]
    content = await site.page(*[b"x"] * len(names), sender="<script>alert(1)</script>")
    await rename(site, content, names)
    plain = Elements((await site.ask(path_of(await site.page(b"x", b"x", sender="x")))).text)
    page = await site.ask(path_of(content))
    shown = Elements(page.text)

    assert set(shown.shape) == set(plain.shape)
    assert "<script>alert(1)</script>" in shown.texts
    # Browsers read every kind of line end as the same.
    texts = {text.replace("\r", "") for text in shown.texts}
    assert {name.replace("\r", "") for name in names} <= texts
    for number in range(1, len(names) + 1):
        got = await site.ask(file_url(ORIGIN, await site.again(content), number), client=CURL)
        assert (got.status, got.location.count("\n")) == (303, 0)


@pytest.mark.parametrize(
    "name", ['"><script>alert(1)</script>', "a\r\nSet-Cookie: x=y", "'{{7*7}}"]
)
async def test_naughty_name_of_a_lone_file(site: Site, name: str) -> None:
    """It is the title too, and what messengers show."""
    content = await site.page()
    await rename(site, content, [name])
    plain = Elements((await site.ask(path_of(await site.page()))).text)
    page = await site.ask(path_of(content))
    text = await site.ask(path_of(content), client=CURL)
    file = await site.ask(path_of(content, "/x"), client=CURL)
    shown = Elements(page.text)

    assert shown.shape == plain.shape
    assert shown.previews == [name]
    assert text.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "Set-Cookie" not in {**page.headers, **text.headers, **file.headers}


async def rename(site: Site, content: PageContent, names: list[str]) -> None:
    """Give files names that the intake would have cleaned."""

    def change(connection: Connection) -> None:
        for file, name in zip(content.files, names, strict=True):
            connection.execute(update(jobs).where(jobs.c.id == file.job_id).values(name=name))

    await site.database.write(change)
