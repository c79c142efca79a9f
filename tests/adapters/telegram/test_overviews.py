"""The answers to `/status`, `/start` and `/help`."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.adapters.telegram.buttons import Action, Button, Press
from bot.adapters.telegram.languages import load_languages
from bot.adapters.telegram.markup import LONGEST_TEXT, fits, visible_length
from bot.adapters.telegram.overviews import Overviews
from bot.core.jobs import JobState
from bot.core.ports.chat import CardLine, Overview, Welcome
from tests.adapters.telegram.views import LIFETIME, NOW, URL, live_link, make_link

LANGUAGES = load_languages()
EN, ZH = Overviews(LANGUAGES["en"]), Overviews(LANGUAGES["zh-Hans"])
QUEUED = CardLine(5, "next.zip", JobState.QUEUED, position=2)


def test_empty_overview_is_friendly() -> None:
    """Where there is nothing, one line says what to do."""
    html, buttons = EN.render(Overview((), (), NOW))

    assert html == "Nothing is running and no link is live. Send me a file to get one."
    assert buttons == ()


def test_overview_lists_both_with_buttons() -> None:
    """What runs, what is alive, numbered through, each with its button."""
    html, buttons = EN.render(Overview((QUEUED,), (live_link(7), live_link(9, "b.txt")), NOW))
    escaped = URL.replace("&", "&amp;")

    assert (
        "<b>Running</b>\n"
        "1. <b>next.zip</b>\n"
        "Waiting, place 2 in the queue\n"
        "\n"
        "<b>Live links</b>\n"
        f'2. <a href="{escaped}">report.pdf</a> · 12.4 MB · 23 h 55 min left\n'
        f'3. <a href="{escaped}">b.txt</a> · 12.4 MB · 23 h 55 min left' == html
    )
    assert (
        (
            Button("Cancel 1", press=Press(Action.CANCEL, 5)),
            Button("Delete 2", press=Press(Action.DELETE, 7)),
            Button("Delete 3", press=Press(Action.DELETE, 9)),
        ),
    ) == buttons


def test_overview_with_one_side_only() -> None:
    """A section without entries is not there."""
    running, _ = EN.render(Overview((QUEUED,), (), NOW))
    alive, _ = ZH.render(Overview((), (live_link(7),), NOW))

    assert "Live links" not in running
    assert alive.startswith("<b>有效链接</b>\n1. <a")
    assert alive.endswith("report.pdf</a> · 12.4 MB · 剩 23 小时 55 分钟")


def test_overview_counts_what_others_left_out() -> None:
    """`more_running` and `more_live` are told in their sections, even where nothing is listed."""
    html, _ = EN.render(Overview((QUEUED,), (), NOW, more_running=4, more_live=2))

    assert (
        html == "<b>Running</b>\n1. <b>next.zip</b>\nWaiting, place 2 in the queue\nand 4 more\n\n"
        "<b>Live links</b>\nand 2 more"
    )


@pytest.mark.parametrize("name", ["a.txt", "👍" * 60, "&" * 200])
@pytest.mark.parametrize("live", [1, 30, 300])
@pytest.mark.parametrize("running", [0, 8, 40])
def test_overview_always_fits(name: str, live: int, running: int) -> None:
    """Any number of entries makes one message; each that is listed has its button."""
    lines = (replace(QUEUED, name=name, code="x", retry_in=timedelta(hours=1)),) * running
    links = tuple(
        replace(live_link(n, name), link=make_link("https://x.example/" + "&" * 700))
        for n in range(live)
    )
    html, buttons = EN.render(Overview(lines, links, NOW))

    assert fits(html)
    count = sum(map(len, buttons))
    assert count <= 100
    listed = html.count("<a ") + min(running, 8)
    assert listed == count
    hidden = running + live - listed
    assert hidden == sum(int(line.split()[1]) for line in html.split("\n") if " more" in line)


def test_overview_lists_as_many_as_fit() -> None:
    """Only what has no room is left out: the next entry would have been too much."""
    links = tuple(live_link(n, "👍" * 60) for n in range(60))
    html, _ = EN.render(Overview((), links, NOW))
    line = html.split("\n")[1]

    assert visible_length(html) + visible_length(line) > LONGEST_TEXT


def test_welcome_tells_the_terms() -> None:
    """What it does, what it keeps and how long, and the limit that holds here."""
    told = EN.welcome(Welcome(20_971_520, LIFETIME))

    assert told.startswith("Send me a file.")
    assert "23 h 55 min after the upload" in told
    assert "A file may have up to 20 MB." in told
    assert "/status" in told


def test_welcome_in_chinese() -> None:
    """The same terms in Chinese."""
    told = ZH.welcome(Welcome(4 << 30, timedelta(hours=24)))

    assert "上传完成 24 小时后，链接和文件自动消失" in told
    assert "文件最大 4 GB。" in told
