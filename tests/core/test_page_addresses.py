"""Addresses of pages and of their files."""

from urllib.parse import unquote, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from bot.core.files import FileKind, clean_name
from bot.core.jobs import ObjectState, StoredObject
from bot.core.ports.pages import Page, PageContent, PageFile, PageOptions, file_url, make_token
from tests.fakes.samples import NOW, SHA256

ORIGIN = "https://files.example.org"


def content_of(*names: str) -> PageContent:
    """Return a page with such files."""
    stored = StoredObject(1, 1, "key", ObjectState.LIVE, NOW)
    files = tuple(
        PageFile(number, 100, name, FileKind.DOCUMENT, 5, SHA256, None, stored)
        for number, name in enumerate(names, 1)
    )
    return PageContent(Page(1, 1, make_token(), PageOptions()), files)


def test_a_lone_file_needs_no_number() -> None:
    """Several files are told apart by their number, from 1."""
    lone, two = content_of("a b.pdf"), content_of("a.pdf", "a.pdf")

    assert file_url(ORIGIN, lone, 1) == f"{ORIGIN}/{lone.page.token}/a%20b.pdf"
    assert file_url(ORIGIN, two, 2) == f"{ORIGIN}/{two.page.token}/2/a.pdf"


@given(st.text())
def test_the_name_is_one_segment(raw: str) -> None:
    """With any name, a client finds it behind the last slash, and none takes it for a step up
    (browsers do so with `.` and `..` in any spelling).
    """
    name = clean_name(raw, fallback="file.bin")
    content = content_of(name)
    path = urlsplit(file_url(ORIGIN, content, 1)).path

    assert path.count("/") == 2
    assert unquote(path.rpartition("/")[2]) == name
    assert name not in {".", ".."}
