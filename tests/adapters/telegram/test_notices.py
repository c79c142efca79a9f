"""Notices and the sentences of error codes."""

import pytest

from bot.adapters.telegram import languages
from bot.adapters.telegram.languages import Language, load_languages
from bot.core.errors import MessageRefused, all_codes

LANGUAGES = load_languages()
EN, ZH = LANGUAGES["en"], LANGUAGES["zh-Hans"]


def test_file_too_large_tells_size_limit_and_remedy() -> None:
    """The user learns both figures, and what the operator can do about the cloud's limit."""
    told = languages.error(EN, "file_too_large", {"size": 31_457_280, "limit": 20_971_520})

    assert (
        told == "Not accepted: the file is 30 MB, the limit is 20 MB (set by Telegram); the bot’s "
        "admin can raise it with a local Bot API server."
    )


def test_file_too_large_of_an_own_limit_has_another_remedy() -> None:
    """Where the limit is the operator's own, a local server would not help."""
    told = languages.error(EN, "file_too_large", {"size": 5 << 30, "limit": 4_000_000_000})

    assert "Not accepted: the file is 5 GB, the limit is 3.7 GB;" in told
    assert "local Bot API server" not in told


def test_one_byte_too_much_is_told_in_full() -> None:
    """Figures that would look alike are written to the byte."""
    told = languages.error(ZH, "file_too_large", {"size": 20_971_521, "limit": 20_971_520})

    assert told.startswith("未接收：文件大小为 20,971,521 字节，上限为 20,971,520 字节")


@pytest.mark.parametrize(
    ("code", "args", "expected"),
    [
        (
            "file_too_large",
            {"limit": 20_971_520},
            "Not accepted: the file is larger than the limit of 20 MB",
        ),
        ("file_too_large", {}, "Not accepted: the file is too large for this bot;"),
        ("size_mismatch", {}, "Telegram sent more or fewer bytes than it announced;"),
        (
            "size_mismatch",
            {"announced": 2048, "received": 1024},
            "Telegram announced 2 KB but sent 1 KB;",
        ),
        ("code_of_a_newer_version", {}, "The bot had an internal error;"),
        (None, {}, "The bot had an internal error;"),
        ("store_key_refused", {"size": 5}, "The storage refused the bot’s key;"),
    ],
)
def test_error_says_what_is_known(code: str | None, args: dict[str, int], expected: str) -> None:
    """With a missing figure or an unknown code there is still a sentence."""
    assert languages.error(EN, code, args).startswith(expected)


@pytest.mark.parametrize("code", sorted(all_codes()))
@pytest.mark.parametrize("tag", sorted(LANGUAGES))
def test_every_code_is_one_sentence(tag: str, code: str) -> None:
    """One sentence, short enough for the answer to a press, also without any figures."""
    told = languages.error(LANGUAGES[tag], code, {})

    assert 5 < len(told) <= 200
    assert told.endswith((".", "。"))
    assert told.count(". ") + told.count("。") + told.endswith(".") == 1


def test_reason_is_a_part_of_a_sentence() -> None:
    """A wait has a reason in words, known or not."""
    assert languages.reason(EN, "store_unavailable") == "the storage cannot be reached"

    assert languages.reason(ZH, None) == "上次尝试失败"


def test_id_can_be_copied_and_is_not_grouped() -> None:
    """A stranger's id is a name made of digits, not a figure."""
    args: dict[str, str | int] = {"id": 1234567890}

    assert "<code>1234567890</code>" in languages.notice_html(EN, "stranger", args)
    assert " 1234567890 " in languages.notice(EN, "stranger", args)


def test_notice_escapes_what_people_wrote() -> None:
    """An argument is text, in HTML as well as in an answer to a press."""
    args: dict[str, str | int] = {"id": "<i>&"}

    assert "<code>&lt;i&gt;&amp;</code>" in languages.notice_html(EN, "stranger", args)
    assert "<i>&" in languages.notice(EN, "stranger", args)


def test_count_decides_the_plural() -> None:
    """The one variable that stays a number selects the plural."""
    one = languages.notice(EN, "cancelling-count", {"count": 1})
    many = languages.notice(EN, "cancelling-count", {"count": 20})

    assert "1 transfer." in one
    assert "20 transfers." in many


@pytest.mark.parametrize("group", ["", "group-"])
@pytest.mark.parametrize("language", [EN, ZH])
def test_refusals_tell_figures_in_words(language: Language, group: str) -> None:
    """Sizes, counts and times as the language writes them; a time is rounded up."""
    files = languages.notice(
        language, f"limit-{group}files", {"done": 20, "count": 20, "wait": 11_941}
    )
    bytes_ = languages.notice(
        language,
        f"limit-{group}bytes",
        {"size": 1 << 30, "used": 9 << 30, "limit": 10 << 30, "wait": 60},
    )
    never = languages.notice(
        language, f"limit-{group}bytes-never", {"size": 20 << 20, "limit": 10 << 20}
    )
    wait = "3 h 20 min" if language is EN else "3 小时 20 分钟"

    assert wait in files
    assert files.count("20") == 3
    assert all(size in bytes_ for size in ("1 GB", "9 GB", "10 GB"))
    assert all(size in never for size in ("20 MB", "10 MB"))


def test_unknown_notice_is_refused() -> None:
    """A name that no locale file has is a defect of ours, and says so."""
    with pytest.raises(MessageRefused, match="no message nonsense in en"):
        languages.notice(EN, "nonsense", {})
