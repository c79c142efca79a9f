"""The output of commands."""

from datetime import timedelta

import pytest

from bot.cli.common import duration, print_table, size


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (59.4, "59 s"), (60, "1 min"), (3599, "59 min"), (86100, "23 h 55 min")],
)
def test_duration(seconds: float, text: str) -> None:
    """Minutes, and seconds where they matter."""
    assert duration(timedelta(seconds=seconds)) == text


def test_size() -> None:
    """Decimal units, as files are sold; an unknown size is no number."""
    assert [size(None), size(0), size(12_000_000)] == ["?", "0 B", "11.4 MB"]


def test_names_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    """Square brackets and colours in the name of a file are shown as they are."""
    print_table("t", ("a",), [("[red]x[/red]",)])

    assert "[red]x[/red]" in capsys.readouterr().out


def test_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where columns would break words, each row is a list of its cells without the empty ones."""
    monkeypatch.setenv("COLUMNS", "40")
    print_table(
        "title", ("what", "is", "means", "do"), [("a", "ok", "fine", ""), ("[b]", "x", "y", "z")]
    )
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]

    assert printed == [
        "title",
        "",
        "what: a",
        "is: ok",
        "means: fine",
        "",
        "what: [b]",
        "is: x",
        "means: y",
        "do: z",
    ]
