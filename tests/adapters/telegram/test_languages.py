"""Locale files: complete, equal, free of markup."""

import re
from pathlib import Path

import pytest
from fluent.runtime import FluentBundle, FluentResource

from bot.adapters.telegram.languages import (
    LOCALES,
    Html,
    Language,
    bold,
    load_languages,
    pick_language,
)
from bot.core.errors import (
    ChatError,
    MessageRefused,
    RelayError,
    StoreForbidden,
    StoreKeyRefused,
    all_codes,
)

LANGUAGES = load_languages()
ENGLISH = LANGUAGES["en"]


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("", "en"),
        ("en", "en"),
        ("en-GB", "en"),
        ("de", "en"),
        ("zh", "zh-Hans"),
        ("ZH-hans", "zh-Hans"),
        ("zh-CN", "zh-Hans"),
        ("zh_SG", "zh-Hans"),
        ("zh-hant", "zh-Hans"),
        ("zh-TW", "zh-Hans"),
        ("zh-HK", "zh-Hans"),
        ("zhx", "en"),
    ],
)
def test_pick_language_table(tag: str, expected: str) -> None:
    """Every variant of Chinese gets the one that there is, every other language English."""
    assert expected == pick_language(tag)


def test_every_tag_that_can_be_picked_has_a_file() -> None:
    """Both languages are there, and no other, because it could never be picked."""
    assert {"en", "zh-Hans"} == set(LANGUAGES)


@pytest.mark.parametrize("tag", sorted(LANGUAGES))
def test_languages_say_the_same_things(tag: str) -> None:
    """Every message exists in every language, with the same variables."""
    assert dict(ENGLISH.messages) == dict(LANGUAGES[tag].messages)


@pytest.mark.parametrize("tag", sorted(LANGUAGES))
def test_every_error_code_has_a_sentence(tag: str) -> None:
    """A user can be told about every error; what has figures can be told without them too."""
    messages = LANGUAGES[tag].messages
    for code in all_codes():
        name = f"error-{code.replace('_', '-')}"
        assert name in messages
        assert not messages[name] or f"{name}-bare" in messages
    codes = {name.removeprefix("error-") for name in messages if name.startswith("error-")}
    stale = {re.sub("-(bare|partly)$", "", code).replace("-", "_") for code in codes}

    assert stale == all_codes()


@pytest.mark.parametrize("tag", sorted(LANGUAGES))
def test_every_transient_error_of_a_transfer_has_a_reason(tag: str) -> None:
    """A job that waits for its next try says why, and so does one that no worker takes because OSS
    refuses the keys of all.
    """

    def tree(cls: type[RelayError]) -> set[type[RelayError]]:
        return {cls}.union(*(tree(child) for child in cls.__subclasses__()))

    transient = {cls.code for cls in tree(RelayError) - tree(ChatError) if not cls.permanent}
    transient |= {StoreKeyRefused.code, StoreForbidden.code}
    told = {name for name in LANGUAGES[tag].messages if name.startswith("reason-")}

    assert {f"reason-{code.replace('_', '-')}" for code in transient} | {"reason-other"} == told


@pytest.mark.parametrize("path", sorted(LOCALES.glob("*.ftl")), ids=lambda path: path.stem)
def test_locale_files_hold_plain_text(path: Path) -> None:
    """No sentence holds markup or a character that HTML would have to escape."""
    lines = path.read_text("utf-8").splitlines()
    text = [line for line in lines if not line.startswith("#")]

    assert not [line for line in text if re.search(r"[<>&]", line.replace("->", ""))]


@pytest.mark.parametrize("path", sorted(LOCALES.glob("*.ftl")), ids=lambda path: path.stem)
def test_locale_files_need_no_colour(path: Path) -> None:
    """No sentence relies on a picture: there are no emoji at all."""
    assert not re.search("[\U0001f000-\U0001faff\u2600-\u27bf]", path.read_text("utf-8"))


def test_plurals_are_right() -> None:
    """English has a singular; a number that decides it is grouped by thousands."""
    assert ENGLISH.say("size-exact", count=1) == "1 byte"
    assert ENGLISH.say("size-exact", count=1234) == "1,234 bytes"
    assert LANGUAGES["zh-Hans"].say("size-exact", count=1234) == "1,234 字节"

    one = ENGLISH.say("cancelling-count", count=1)
    assert one == "Cancelling 1 transfer."


def test_html_escapes_arguments_but_not_html() -> None:
    """Text that users write is escaped; markup is left alone."""
    escaped = ENGLISH.html("speed", size="<b>")
    kept = ENGLISH.html("speed", size=bold("<"))

    assert (escaped, kept) == ("&lt;b&gt;/s", "<b>&lt;</b>/s")
    assert isinstance(kept, Html)


def test_say_leaves_plain_text_plain() -> None:
    """An answer to a press shows text, not HTML."""
    assert ENGLISH.say("speed", size="<&>") == "<&>/s"


@pytest.mark.parametrize("tag", sorted(LANGUAGES))
def test_messages_read_as_the_library_reads_them(tag: str) -> None:
    """Messages that are parsed one by one, and composed without the library where they have
    neither plural nor number, have the text that the library gives them.
    """
    source = (LOCALES / f"{tag}.ftl").read_text("utf-8")
    whole = FluentBundle([tag], use_isolating=False)
    whole.add_resource(FluentResource(source))
    language = Language(tag, source, is_checked=True)

    for name, variables in LANGUAGES[tag].messages.items():
        args = {variable: f"<{variable}>" for variable in variables}
        pattern = whole.get_message(name).value
        assert pattern is not None
        text, errors = whole.format_pattern(pattern, args)
        if not errors:
            assert language.say(name, **args) == text


@pytest.mark.parametrize(("name", "args"), [("no-such-message", {}), ("speed", {})])
def test_say_refuses_what_it_cannot_word(name: str, args: dict[str, str]) -> None:
    """An unknown message, or a missing variable, is an error and never a half sentence."""
    with pytest.raises(MessageRefused, match=name):
        ENGLISH.say(name, **args)


@pytest.mark.parametrize(
    ("source", "problem"),
    [("a = {", "cannot read"), ("a = b\na = c", "a is there twice")],
)
def test_broken_locale_files_are_refused(source: str, problem: str) -> None:
    """A mistake in a locale file shows at start, not in front of a user."""
    with pytest.raises(ValueError, match=f"xx: {problem}"):
        Language("xx", source)


def test_checked_locale_files_are_parsed_on_demand() -> None:
    """A message that another one refers to is parsed with it; the rest is left alone."""
    language = Language("en", "a = { b }!\nb = B\nc = {", is_checked=True)

    assert language.say("a") == "B!"
    with pytest.raises(ValueError, match="en: cannot read"):
        language.say("c")
