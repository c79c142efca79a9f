"""Keys, dispositions, content types and deadlines."""

import re
from datetime import UTC, datetime, timedelta
from email import message_from_string

import pytest
from aiohttp import content_disposition_filename, parse_content_disposition
from hypothesis import example, given
from hypothesis import strategies as st

from bot.core.files import (
    BLOCKED_EXTENSIONS,
    LONGEST_KEY_NAME,
    LONGEST_LIFETIME,
    SAFE_CONTENT_TYPE,
    SHORTEST_LIFETIME,
    Link,
    clean_name,
    content_disposition,
    content_type,
    deadline,
    is_open,
    key_name,
    key_prefix,
    make_key,
)

NAMES = st.text(min_size=1, max_size=300).map(lambda raw: clean_name(raw, fallback="file"))
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("report.pdf", "report.pdf"),
        ("my holiday (1).JPG", "my-holiday-1.JPG"),
        ("Café.txt", "Cafe.txt"),
        ("报告.pdf", "file.pdf"),
        ("报告.tar.gz", "file.tar.gz"),
        ("报告 2026.docx", "2026.docx"),
        ("报告.文件", "file"),
        ("报告.ａｐｋ", "file"),
        ("报告", "file"),
        ("👍", "file"),
        ("game.apk", "game"),
        ("game.APK", "game"),
        ("game.apk.ipa", "game"),
        ("ｇａｍｅ．ａｐｋ", "game"),
        ("x" * 36 + ".apk" + "y" * 20, "x" * 36),
        ("x" * 100 + ".pdf", "x" * 36 + ".pdf"),
        ("-._", "file"),
    ],
)
def test_key_name_table(name: str, expected: str) -> None:
    """The readable end of a key is plain ASCII without anything that OSS refuses to serve."""
    assert expected == key_name(name)


@given(NAMES)
@example("a.apk.apk-.ipa")
@example("a" * 36 + ".apk" + "b" * 30)
def test_key_name_keeps_its_promise(name: str) -> None:
    """Any name becomes 1 to 40 bytes of ASCII, never only dots, never a blocked extension."""
    key = key_name(name)

    assert re.fullmatch(r"[A-Za-z0-9._-]{1,40}", key)
    assert len(key) <= LONGEST_KEY_NAME
    assert key.strip(".")
    assert not any(key.lower().endswith(f".{blocked}") for blocked in BLOCKED_EXTENSIONS)


def test_make_key_is_unguessable_and_below_the_prefix() -> None:
    """Each key has 128 fresh random bits between the bot's prefix and the name."""
    keys = {make_key(42, "a.txt") for _ in range(1000)}

    assert len(keys) == 1000
    assert all(re.fullmatch(r"relay/42/[A-Za-z0-9_-]{22}/a\.txt", key) for key in keys)
    assert all(key.startswith(key_prefix(42)) for key in keys)


@pytest.mark.parametrize(
    ("name", "fallback"),
    [
        ("report.pdf", "report.pdf"),
        ("报告.pdf", "file.pdf"),
        ("报告.文件", "file"),
        ("Café (1).txt", "Cafe (1).txt"),
        ("it's 100%; \\x.txt", "it_s 100__ _x.txt"),
        ("👍", "file"),
    ],
)
def test_disposition_has_an_ascii_fallback(name: str, fallback: str) -> None:
    """Clients that do not know `filename*` get a readable name with its extension."""
    assert f'attachment; filename="{fallback}"; ' in content_disposition(name)


@given(NAMES)
@example('it\'s 100% "quoted"; a=b.txt')
@example("报告 👨\u200d👩\u200d👧.pdf")
@example("a" * 200)
def test_disposition_is_parsed_back_to_the_exact_name(name: str) -> None:
    """Two parsers that are not ours read the full name from the header, which is pure ASCII."""
    header = content_disposition(name)

    kind, params = parse_content_disposition(header)
    assert kind == "attachment"
    assert name == content_disposition_filename(params)
    message = message_from_string(f"Content-Disposition: {header}\n\n")
    # Without the fallback, because the standard library takes the first of the two.
    star = message_from_string(
        f"Content-Disposition: attachment; {header.rpartition('; ')[2]}\n\n"
    )
    assert name == star.get_filename()
    assert message.get_content_disposition() == "attachment"
    assert header.isascii()
    assert header.isprintable()


@pytest.mark.parametrize(
    ("mime", "expected"),
    [
        ("image/jpeg", "image/jpeg"),
        (" Video/MP4 ", "video/mp4"),
        ("audio/x-m4a", "audio/x-m4a"),
        ("application/pdf", "application/pdf"),
        ("application/zip", "application/zip"),
        ("image/svg+xml", SAFE_CONTENT_TYPE),
        ("image/foo+xml", SAFE_CONTENT_TYPE),
        ("text/html", SAFE_CONTENT_TYPE),
        ("text/plain", SAFE_CONTENT_TYPE),
        ("application/xhtml+xml", SAFE_CONTENT_TYPE),
        ("application/vnd.android.package-archive", SAFE_CONTENT_TYPE),
        ("image/png\r\nX-Evil: 1", SAFE_CONTENT_TYPE),
        ("image/png; charset=x", SAFE_CONTENT_TYPE),
        ("", SAFE_CONTENT_TYPE),
        (None, SAFE_CONTENT_TYPE),
    ],
)
def test_content_type_table(mime: str | None, expected: str) -> None:
    """Media keep their type; a type that a browser could run becomes a stream of bytes."""
    assert expected == content_type(mime)


@pytest.mark.parametrize(
    "lifetime", [SHORTEST_LIFETIME, timedelta(hours=23), timedelta(hours=23, minutes=55)]
)
def test_deadline_counts_from_completion(lifetime: timedelta) -> None:
    """Lifetimes from a second up to exactly 23 h 55 min are counted from the completed upload."""
    assert NOON + lifetime == deadline(NOON, lifetime)


@pytest.mark.parametrize(
    "lifetime",
    [
        timedelta(0),
        timedelta(seconds=-1),
        timedelta(seconds=0.999),
        LONGEST_LIFETIME + timedelta(microseconds=1),
    ],
)
def test_deadline_refuses_what_breaks_the_promise(lifetime: timedelta) -> None:
    """Less than a second, or a microsecond more than 23 h 55 min, is refused."""
    with pytest.raises(ValueError, match="at most 23 h 55 min"):
        deadline(NOON, lifetime)


@pytest.mark.parametrize(
    ("left", "expected"), [(60, True), (1, True), (0.999, False), (0, False), (-0.5, False)]
)
def test_link_is_open_while_it_can_be_signed(left: float, *, expected: bool) -> None:
    """In its last second, and after its end, a link counts as expired."""
    assert is_open(NOON + timedelta(seconds=left), NOON) is expected


def test_link_hides_its_url() -> None:
    """The URL does not show in the representation that a log would print."""
    link = Link("https://bucket.example/key?x-oss-signature=secret", NOON)

    assert "secret" not in repr(link)
    assert "2026-11-24T12:00:00" in repr(link)
