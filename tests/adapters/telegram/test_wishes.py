"""What is asked for after `/share`."""

from datetime import timedelta

import pytest

from bot.adapters.telegram.commands import read_wishes
from bot.core.files import FileKind, IncomingFile
from bot.core.jobs import NO_WISHES, Wishes
from bot.inbound.uploads import ShareWishes

HOUR = timedelta(hours=1)
READ = {
    "": ShareWishes(),
    "1h": ShareWishes(Wishes(HOUR)),
    "90 min": ShareWishes(Wishes(timedelta(minutes=90))),
    "ONCE": ShareWishes(Wishes(None, 1)),
    "5x": ShareWishes(Wishes(None, 5)),
    "1h once": ShareWishes(Wishes(HOUR, 1)),
    "once, 1 hour": ShareWishes(Wishes(HOUR, 1)),
    "1h once as report.pdf": ShareWishes(Wishes(HOUR, 1), "report.pdf"),
    "as My Report 2026.PDF": ShareWishes(NO_WISHES, "My Report 2026.PDF"),
    "1小时 一次": ShareWishes(Wishes(HOUR, 1)),
    "1 个小时，3次，名为 年报.pdf": ShareWishes(Wishes(HOUR, 3), "年报.pdf"),
    "10分钟 命名为：年报.pdf": ShareWishes(Wishes(timedelta(minutes=10)), "年报.pdf"),
    # Captions that ask for nothing.
    "our holiday, 1h of it": ShareWishes(),
    "1hundred": ShareWishes(),
    "0h": ShareWishes(),
    "0x": ShareWishes(),
    "as": ShareWishes(),
    "assets": ShareWishes(),
    "1h assets": ShareWishes(Wishes(HOUR)),
    "Ⅰİİİİ as x.pdf": ShareWishes(),
    "9999h": ShareWishes(Wishes(9999 * HOUR)),
    "99999h": ShareWishes(),
}


@pytest.mark.parametrize("text", READ)
def test_wishes(text: str) -> None:
    """English and Chinese words, in any case, until one that means nothing."""
    assert read_wishes(text) == READ[text]


def _file(name: str = "scan.pdf") -> IncomingFile:
    return IncomingFile("id", "unique", FileKind.DOCUMENT, name, None, 1)


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("report.pdf", "report.pdf"),
        ("report", "report.pdf"),
        ("../../etc/passwd", "passwd.pdf"),
        ("con", "_con.pdf"),
        ("...", "scan.pdf"),
        ("a\u202egpj.exe", "agpj.exe"),
    ],
)
def test_a_name_is_as_clean_as_any(wanted: str, name: str) -> None:
    """It is one path part, without tricks, and has an extension."""
    assert [file.name for file in ShareWishes(name=wanted).rename([_file()])] == [name]


def test_several_files_get_a_number() -> None:
    """One name would be that of all."""
    named = ShareWishes(name="trip.jpg").rename([_file("a.png"), _file("b.png")])

    assert [file.name for file in named] == ["trip 1.jpg", "trip 2.jpg"]
