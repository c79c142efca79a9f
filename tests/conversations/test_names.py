"""Names of files as people and programs make them, from the message to the download."""

import asyncio
import random
from datetime import timedelta

import pytest

from bot.core.files import clean_name
from bot.demo.local_stack import LocalStack
from bot.sandbox.telegram import Message, VisibleMessage
from tests.conversations.leftovers import assert_nothing_left
from tests.conversations.people import Person, fetch, links_of

AT_ONCE = 50
GENERATED = 120

PATHS = [
    "../../etc/passwd", "..\\..\\boot.ini", "/etc/shadow", "C:\\Windows\\win.ini", "a/b/c.txt",
    "dir/", "~", "~root/x", "a%2f..%2fb.txt", "\\\\host\\share\\x.txt", "file:///etc/passwd",
]  # fmt: skip
DOTS_AND_BLANKS = [
    ".", "..", "...", "…", " . . ", "", " ", "\t", "\u3000", "\u200b\u200b", "\u3164", "\u2800",
    ".bashrc", ".htaccess", "a.b.c.d", "a.", "a. .", " x .txt ", "\ufeffbom.txt", "\u00a0.txt",
]  # fmt: skip
CONTROLS = [
    "a\0b.txt", "\0", "a\nb\r\nc.txt", "bell\a.txt", "esc\x1b[31m.txt", "\x7f.txt", "a\u2028b.txt",
    "\u202egnp.exe", "x\u2066y\u2069.txt", "\u200fabc.txt", "\u061c.pdf", "\U000e0041tag.txt",
    "\ue000private.txt", "\uffff.txt", "\ufdd0.txt", "\U0010ffff",
]  # fmt: skip
LONG = [
    "a" * 300 + ".txt",
    "é" * 150 + ".tar.gz",
    "汉" * 100 + ".pdf",
    "a" * 255,
    "😀" * 75,
    "." * 300,
]
SCRIPTS = [
    "报告 2026.docx", "отчёт.pdf", "שלום.txt", "تقرير.pdf", "นี่.txt", "e\u0301.txt", "Å.txt",
    "👩‍👩‍👧‍👦.png", "🏴‍☠️.zip", "🇩🇪", "ZA̡͊͠͝LGO̎.txt", "ﷺ.txt", "ﬁle.txt", "ŉ.txt", "İ.txt",
    "ß.TXT",
]  # fmt: skip
MARKUP = [
    "<b>&amp;</b>.html", "<script>alert(1)</script>", "&lt;", "&#0;", "&#x202e;", "</a>", "<", ">",
    "<a href=\"x\">.txt", "a\"b'c.txt", '"', "'", "[x](http://evil)", "`code`", "*bold*_it_",
    "@alice", "/start", "#tag", "http://evil.example/?a=b&c=d", "{name}", "{ $name }", "%s%n",
    "$HOME", "a\\",
]  # fmt: skip
HEADERS = [
    "x; filename=evil.exe", 'x"; filename="evil.exe', "a%00b.txt", "%", "%zz", "UTF-8''x",
    "a,b=c.txt",
    "=?utf-8?B?eA==?=.txt", "a+b c.txt", "a\r\nSet-Cookie: x=y", "(comment).txt", "x:stream",
]  # fmt: skip
RESERVED = [
    "CON", "nul.txt", "com1.tar.gz", "LPT¹", "aux .txt", "prn", "desktop.ini", "-rf", "--help",
    "app.apk", "APP.APK", "x.ipa", "x.apk.apk", "x.apk.", "photo.jpg.exe", "thumbs.db",
    "index.html",
]  # fmt: skip
CHOSEN = PATHS + DOTS_AND_BLANKS + CONTROLS + LONG + SCRIPTS + MARKUP + HEADERS + RESERVED

LETTERS = (
    "abcXYZ019", " .-_~", "/\\:*?\"<>|", "&;#'`[](){}%$@+=,", "\0\a\b\t\n\r\x1b\x7f\x85",
    "\u200b\u200d\u200e\u202a\u202e\u2066\u2069\ufeff", "\u0301\u0308\u20dd\u0e34", "äöüßñçИжλΩ",
    "汉字仮名한글", "שלוםعربي", "😀🚀👍🏽\u200d❤️", "\u2028\u2029\ue000\ufffd\ufffe\u3164",
)  # fmt: skip
"""Kinds of characters; a generated name mixes a few of them."""


def generated(count: int) -> list[str]:
    """Make the same strange names each time, of up to 120 characters."""
    chance = random.Random(2026)  # noqa: S311 -- the same names each time, nothing secret.
    names = []
    for _ in range(count):
        letters = "".join(chance.sample(LETTERS, chance.randint(1, 4)))
        length = int(chance.triangular(1, 120, 8))
        extension = chance.choice(["", "", ".txt", ".apk", ".", ".tar.gz", ".<b>", ".\u202e"])
        names.append("".join(chance.choices(letters, k=length)) + extension)
    return names


NAMES = CHOSEN + generated(GENERATED)
SOME = NAMES[:: len(NAMES) // AT_ONCE + 1]
"""Of every kind a few."""


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(SOME, id="some"),
        *(
            pytest.param(
                NAMES[first : first + AT_ONCE], id=f"from {first}", marks=pytest.mark.long
            )
            for first in range(0, len(NAMES), AT_ONCE)
        ),
    ],
)
async def test_strange_names(stage: LocalStack, names: list[str]) -> None:
    """Every name gives a link whose download has that name, cleaned; every key is ASCII; and all
    messages that show names are markup that Telegram accepts.
    """
    stage.more |= {"RELAY_TRANSFER__AT_ONCE": "8", "RELAY_TRANSFER__PER_OWNER": "8"}
    alice = Person(stage)
    await stage.start_bot(alice.id)
    sent = [await alice.send(b"%d" % number, name) for number, name in enumerate(names)]
    downloaded = await _downloads(alice, len(names))
    listed = await _turn_all_pages(alice)

    assert {number: _saved_as(message) for number, message in enumerate(sent)} == downloaded
    assert [key for key in stage.bucket.objects if not key.isascii() or len(key) > 100] == []
    assert listed == len(names)
    await assert_nothing_left(alice, links=len(names))


def _saved_as(message: Message) -> str:
    """Return the name under which a browser must save the file of a message."""
    assert message.attachment is not None
    stamp = f"{message.date:%Y-%m-%d_%H-%M-%S}"
    return clean_name(message.attachment.file.name, fallback=f"document_{stamp}.bin")


async def _downloads(alice: Person, count: int) -> dict[int, str | None]:
    """Wait for `count` links, and return the names of the downloads behind them, by the number
    inside.
    """

    def urls() -> list[str]:
        return [url for answer in alice.said for url in links_of(answer)]

    while len(urls()) < count:
        seen = set(urls())
        # The chat takes a message a second, and the test need not wait for that.
        alice.stage.clock.advance(timedelta(seconds=3))
        await alice.until(lambda seen=seen: bool(set(urls()) - seen))  # type: ignore[misc] # mypy cannot infer a lambda with a default.
    opened = await asyncio.gather(*(fetch(url) for url in urls()))
    return {int(body): name for status, body, name in opened if status == 200}


async def _turn_all_pages(alice: Person) -> int:
    """Leaf through the list of live links, and return how many it has."""
    overview = await alice.answered(await alice.write("/status"))
    count, page = _lines(overview), 1
    while overview.button(f"{page + 1} ▶"):
        page += 1
        overview = await _turn(alice, overview, page)
        count += _lines(overview)
    return count


async def _turn(alice: Person, overview: VisibleMessage, page: int) -> VisibleMessage:
    """Turn to the next page."""
    # A chat takes sixteen edits a minute.
    alice.stage.clock.advance(timedelta(seconds=5))
    await alice.press(overview, f"{page} ▶")
    await alice.until(lambda: f"Page {page} of" in alice.shown(overview).text)
    return alice.shown(overview)


def _lines(overview: VisibleMessage) -> int:
    return sum(line.endswith(" left") for line in overview.text.splitlines())
