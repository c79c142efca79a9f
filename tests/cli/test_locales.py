"""The texts of `init` and `setup` in both languages."""

import re

import pytest

from bot.adapters.telegram.languages import Language, load_languages
from bot.cli.common import LOCALES, say, speak

LANGUAGES = load_languages(LOCALES, is_checked=False)


@pytest.mark.parametrize("language", LANGUAGES.values(), ids=LANGUAGES)
def test_languages_say_the_same_things(language: Language) -> None:
    """Every message exists in both languages, with the same variables."""
    assert dict(language.messages) == dict(LANGUAGES["en"].messages)
    assert set(LANGUAGES) == {"en", "zh-Hans"}


def test_every_message_is_said() -> None:
    """No message is left over, and none is missing."""
    text = "".join(path.read_text("utf-8") for path in LOCALES.parent.rglob("*.py"))
    names = set(LANGUAGES["en"].messages)

    assert names - set(re.findall(r"""["']([a-z0-9-]+)["']""", text)) == set()
    assert set(re.findall(r"""\bsay\(\s*["']([a-z0-9-]+)["']""", text)) <= names


@pytest.mark.parametrize(
    ("lang", "variables", "expected"),
    [
        (None, {}, "on"),
        (None, {"LANG": "zh_CN.UTF-8"}, "开启"),
        (None, {"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "on"),
        (None, {"LANG": "de_DE.UTF-8", "LC_MESSAGES": "zh_TW.UTF-8"}, "开启"),
        ("zh-Hans", {"LANG": "en_US.UTF-8"}, "开启"),
        ("en", {"LC_ALL": "zh_CN.UTF-8"}, "on"),
    ],
)
def test_the_language_of_the_terminal(
    lang: str | None, variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--lang` comes first, then the variables of the locale in the order of POSIX."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    speak(lang)
    shown = say("setup-on")
    speak("en")

    assert shown == expected
