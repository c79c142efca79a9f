"""Names that are safe to show, to store and to save."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.adapters.telegram.languages import LONGEST_SHOWN_NAME, shorten
from bot.core.files import LONGEST_DOWNLOAD_NAME, clean_name, split_extension

SCOTLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
"""The flag: a black flag, then the tags of "gbsct"."""
NASTY = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("./\\:*?\"<>| \0\n\u202e\u200c\u200d\u2066\ufeff\u3164\ud800e\u0301'`"),
    ),
    max_size=400,
)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\cv.docx", "cv.docx"),
        ("folder/", "file"),
        ("a\0b.txt", "ab.txt"),
        ("line\nbreak\r.txt", "linebreak.txt"),
        ("\u202egpj.exe", "gpj.exe"),
        ("invoice\u2066\u2069\u200b\ufeff.pdf", "invoice.pdf"),
        ("...", "file"),
        ("", "file"),
        (None, "file"),
        ("   ", "file"),
        ("\0\u202e\u200d", "file"),
        ("\u3164\u2800.\uffa0", "file"),
        ("___", "file"),
        (".bashrc", "bashrc"),
        ("a  b\u00a0\u3000c.txt", "a b c.txt"),
        ('say "hi": a|b<c>?*.txt', "say _hi__ a_b_c___.txt"),
        ("it's & more.txt", "it's & more.txt"),
        ("季度报告(终).pdf", "季度报告(终).pdf"),
        ("👨\u200d👩\u200d👧 trip.jpg", "👨\u200d👩\u200d👧 trip.jpg"),
        ("\u200d\u200d.txt", "txt"),
        (
            "\u0646\u0627\u0645\u0647\u200c\u0647\u0627.pdf",
            "\u0646\u0627\u0645\u0647\u200c\u0647\u0627.pdf",
        ),
        ("\u0915\u094d\u200d\u0937.txt", "\u0915\u094d\u200d\u0937.txt"),
        (f"{SCOTLAND} trip.jpg", f"{SCOTLAND} trip.jpg"),
        (f"{SCOTLAND[:-1]} no end.jpg", "\U0001f3f4 no end.jpg"),
        ("\U000e0073\U000e0065hidden.txt", "hidden.txt"),
        ("cafe\u0301.txt", "caf\u00e9.txt"),
        ("e\u200b\u0301.txt", "\u00e9.txt"),
        ("con", "_con"),
        ("NUL.txt", "_NUL.txt"),
        ("Com1.tar.gz", "_Com1.tar.gz"),
        ("com\u00b9.txt", "_com\u00b9.txt"),
        ("aux .txt", "_aux .txt"),
        ("console.txt", "console.txt"),
        ("com10.txt", "com10.txt"),
        ("bad\ud800half.txt", "bad_half.txt"),
    ],
)
def test_clean_name_table(raw: str | None, expected: str) -> None:
    """Every known trick ends as a plain, readable name."""
    assert expected == clean_name(raw, fallback="file")


@given(NASTY)
@example("\u200d" * 100 + "a.txt")
@example("e\u200b\u0301" * 100)
@example("." * 300)
@example(SCOTLAND * 100 + ".txt")
@example("a" + SCOTLAND * 100 + ".txt")
def test_clean_name_keeps_its_promise(raw: str) -> None:
    """Any input becomes one path part, visible, 1 to 200 UTF-8 bytes, no dots at the ends."""
    name = clean_name(raw, fallback="file")

    assert 1 <= len(name.encode()) <= LONGEST_DOWNLOAD_NAME
    assert not set(name) & set('/\\:*?"<>|')
    assert name == name.strip(" .")
    joined = name.replace(SCOTLAND, "").translate(dict.fromkeys(map(ord, "\u200c\u200d")))
    categories = {unicodedata.category(char) for char in joined}
    assert not categories & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@given(NASTY)
def test_clean_name_is_stable(raw: str) -> None:
    """Cleaning a clean name changes nothing."""
    name = clean_name(raw, fallback="file")

    assert name == clean_name(name, fallback="file")


@pytest.mark.parametrize("char", ["a", "é", "报", "👍"])
def test_clean_name_cuts_but_keeps_the_extension(char: str) -> None:
    """A name of 300 characters is cut between characters, before its extension."""
    name = clean_name(char * 300 + ".pdf", fallback="file")

    stem, extension = split_extension(name)
    assert {char} == set(stem)
    assert extension == ".pdf"
    assert LONGEST_DOWNLOAD_NAME - len(char.encode()) < len(name.encode())


def test_clean_name_cuts_before_a_joiner() -> None:
    """A cut inside a joined emoji leaves no dangling joiner."""
    name = clean_name("👩\u200d" * 100, fallback="file")

    assert name.endswith("👩")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.txt", ("a", ".txt")),
        ("a.tar.gz", ("a.tar", ".gz")),
        ("a", ("a", "")),
        (".txt", (".txt", "")),
        ("a.", ("a.", "")),
        ("mr. smith", ("mr. smith", "")),
        ("a." + "x" * 16, ("a", "." + "x" * 16)),
        ("a." + "x" * 17, ("a." + "x" * 17, "")),
    ],
)
def test_split_extension_table(name: str, expected: tuple[str, str]) -> None:
    """Only something that looks like an extension is one."""
    assert expected == split_extension(name)


@given(st.text(), st.integers(1, 300))
def test_shorten_keeps_limit_and_end(name: str, limit: int) -> None:
    """The limit holds; a short name is untouched, a long one keeps its end."""
    shown = shorten(name, limit)

    assert len(shown) <= limit
    assert shown == name or (shown[-(limit // 3) :] == name[-(limit // 3) :] or limit < 3)
    assert (shown == name) == (len(name) <= limit or name == shown)


def test_shorten_shows_where_it_cut() -> None:
    """By default 120 characters stay, with an ellipsis where the others were."""
    shown = shorten("a" * 200 + ".pdf")

    assert "…" in shown
    assert shown.endswith(".pdf")
    assert len(shown) == LONGEST_SHOWN_NAME
