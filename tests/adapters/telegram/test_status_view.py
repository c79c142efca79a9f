"""The answers to `/status`, `/links`, `/start` and `/help`."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.adapters.telegram.buttons import Action, Button, JobButton, PageButton
from bot.adapters.telegram.languages import fits, load_languages
from bot.adapters.telegram.status_texts import StatusViewRenderer
from bot.core.jobs import JobState
from bot.core.ports.views import Listing, LiveLink, Overview, StatusLine, Usage, Welcome
from tests.adapters.telegram.views import LIFETIME, NOW, URL, live_link, make_link

LANGUAGES = load_languages()
EN, ZH = StatusViewRenderer(LANGUAGES["en"]), StatusViewRenderer(LANGUAGES["zh-Hans"])
QUEUED = StatusLine(5, "next.zip", JobState.QUEUED, position=2)


REFRESH = Button("Refresh", press=PageButton(Listing.STATUS, 5, 1))


def overview(
    running: tuple[StatusLine, ...] = (), live: tuple[LiveLink, ...] = (), **more: Any
) -> Overview:
    """Return the status of user 5."""
    return Overview(running, live, NOW, subject=5, **more)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, "Nothing is running and no link is live. Send me a file to get one."),
        (
            {"in_group": True},
            "Nothing is running here and no link is live. Reply to a file with /share to get one.",
        ),
        ({"listing": Listing.LINKS}, "None of your links is live here."),
    ],
)
def test_empty_overview_is_friendly(more: dict[str, Any], expected: str) -> None:
    """Where there is nothing, one line says what to do; it can be asked again."""
    html, buttons = EN.render(overview(**more))

    assert expected == html
    assert [button.text for row in buttons for button in row] == ["Refresh"]


def test_overview_lists_both_with_buttons() -> None:
    """What runs, what is alive, numbered through, each with its button."""
    html, buttons = EN.render(overview((QUEUED,), (live_link(7), live_link(9, "b.txt"))))
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
            Button("Cancel 1", press=JobButton(Action.CANCEL, 5)),
            Button("Delete 2", press=JobButton(Action.DELETE, 7)),
            Button("Delete 3", press=JobButton(Action.DELETE, 9)),
        ),
        (REFRESH,),
    ) == buttons


def test_overview_with_one_side_only() -> None:
    """A section without entries is not there."""
    running, _ = EN.render(overview((QUEUED,)))
    alive, _ = ZH.render(overview((), (live_link(7),)))

    assert "Live links" not in running
    assert alive.startswith("<b>有效链接</b>\n1. <a")
    assert alive.endswith("report.pdf</a> · 12.4 MB · 剩 23 小时 55 分钟")


def test_discreet_overview_has_no_link() -> None:
    """It names the file, and can delete it."""
    html, buttons = EN.render(overview((), (live_link(7),), in_group=True, discreet=True))

    assert "href" not in html
    assert "1. report.pdf · 12.4 MB" in html
    assert Button("Delete 1", press=JobButton(Action.DELETE, 7)) == buttons[0][0]


@pytest.mark.parametrize(
    ("use", "english", "chinese"),
    [
        (Usage(1, 1 << 20), "1 file, 1 MB", "1 个文件，1 MB"),
        (Usage(0, 0, 1, 0), "0 of 1 file, 0 B", "0 / 1 个文件，0 B"),
        (
            Usage(12, 3 << 30, 1000, 10 << 30),
            "12 of 1,000 files, 3 GB of 10 GB",
            "12 / 1,000 个文件，3 GB / 10 GB",
        ),
    ],
)
def test_use_against_limits(use: Usage, english: str, chinese: str) -> None:
    """What was used, and of how much where there is a limit."""
    view = overview((QUEUED,), use=use)

    assert EN.render(view)[0].split("\n")[-1] == f"In the last 24 hours: {english}"
    assert ZH.render(view)[0].split("\n")[-1] == f"最近 24 小时：{chinese}"


def test_nothing_used_is_not_told() -> None:
    """Where there is neither a limit nor a use there is nothing to say."""
    html, _ = EN.render(overview(use=Usage(0, 0)))

    assert "24 hours" not in html


@pytest.mark.parametrize(
    ("page", "texts", "targets"),
    [
        (1, ["Refresh", "2 ▶"], [1, 2]),
        (2, ["◀ 1", "Refresh", "3 ▶"], [1, 2, 3]),
        (3, ["◀ 2", "Refresh"], [2, 3]),
    ],
)
def test_pages_lead_to_each_other(page: int, texts: list[str], targets: list[int]) -> None:
    """A button says where it leads, and belongs to the list of its subject."""
    html, buttons = EN.render(overview((QUEUED,), page=page, pages=3))
    row = buttons[-1]

    assert html.endswith(f"\n\nPage {page} of 3")
    assert texts == [button.text for button in row]
    assert [PageButton(Listing.STATUS, 5, to) for to in targets] == [
        button.press for button in row
    ]


@pytest.mark.parametrize("language", [EN, ZH])
@pytest.mark.parametrize("name", ["a.txt", "👍" * 60, "&" * 200])
@pytest.mark.parametrize("running", [0, 4, 8])
def test_page_always_fits(language: StatusViewRenderer, name: str, running: int) -> None:
    """The longest page is one message; each entry has its button."""
    line = replace(
        QUEUED, name=name, state=JobState.FAILED, code="file_too_large", retry_in=timedelta(1)
    )
    live = replace(
        live_link(7, name), link=make_link("https://x.example/" + "&" * 300 + "x" * 1700)
    )
    view = overview(
        (line,) * running, (live,) * (8 - running), pages=99, page=50, use=Usage(9, 9, 9, 9)
    )
    html, buttons = language.render(view)

    assert fits(html)
    assert 8 - running + 3 == sum(map(len, buttons))


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
