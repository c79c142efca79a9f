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
        ({}, "No transfers are running and you have no live links. Send me a file to get one."),
        (
            {"in_group": True},
            "No transfers are running and there are no live links here. "
            "Reply to a file with /share to get one.",
        ),
        ({"listing": Listing.LINKS}, "You have no live links here."),
    ],
)
def test_empty_overview_is_friendly(more: dict[str, Any], expected: str) -> None:
    """An empty overview says in one line what to do; it can be refreshed."""
    html, buttons = EN.render(overview(**more))

    assert expected == html
    assert [button.text for row in buttons for button in row] == ["Refresh"]


def test_overview_lists_both_with_buttons() -> None:
    """Running jobs and live links, numbered through, each with its button."""
    html, buttons = EN.render(overview((QUEUED,), (live_link(7), live_link(9, "b.txt"))))
    escaped = URL.replace("&", "&amp;")

    assert (
        "<b>Running</b>\n"
        "1. <b>next.zip</b>\n"
        "Waiting, position 2 in the queue\n"
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
        (Usage(files=1, bytes=1 << 20), "1 file, 1 MB", "1 个文件，1 MB"),
        (
            Usage(files=0, bytes=0, most_files=1, most_bytes=0),
            "0 of 1 file, 0 B",
            "0 / 1 个文件，0 B",
        ),
        (
            Usage(files=12, bytes=3 << 30, most_files=1000, most_bytes=10 << 30),
            "12 of 1,000 files, 3 GB of 10 GB",
            "12 / 1,000 个文件，3 GB / 10 GB",
        ),
    ],
)
def test_use_against_limits(use: Usage, english: str, chinese: str) -> None:
    """The use of each limit is shown, and the limit where there is one."""
    view = overview((QUEUED,), use=use)

    assert EN.render(view)[0].split("\n")[-1] == f"Used in the last 24 hours: {english}"
    assert ZH.render(view)[0].split("\n")[-1] == f"最近 24 小时已用：{chinese}"


def test_nothing_used_is_not_told() -> None:
    """Where there is neither a limit nor a use there is nothing to say."""
    html, _ = EN.render(overview(use=Usage(files=0, bytes=0)))

    assert "24 hours" not in html


@pytest.mark.parametrize(
    ("page", "labels", "targets"),
    [
        (1, ["Refresh", "2 ▶"], [1, 2]),
        (2, ["◀ 1", "Refresh", "3 ▶"], [1, 2, 3]),
        (3, ["◀ 2", "Refresh"], [2, 3]),
    ],
)
def test_pages_lead_to_each_other(page: int, labels: list[str], targets: list[int]) -> None:
    """A button names its page, and belongs to the list of its subject."""
    html, buttons = EN.render(overview((QUEUED,), page=page, pages=3))
    row = buttons[-1]

    assert html.endswith(f"\n\nPage {page} of 3")
    assert labels == [button.text for button in row]
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
        (line,) * running,
        (live,) * (8 - running),
        pages=99,
        page=50,
        use=Usage(files=9, bytes=9, most_files=9, most_bytes=9),
    )
    html, buttons = language.render(view)

    assert fits(html)
    assert 8 - running + 3 == sum(map(len, buttons))


def test_welcome_tells_the_terms() -> None:
    """The welcome says what the bot does, what it keeps and how long, and the limit that holds
    here.
    """
    told = EN.welcome(Welcome(20_971_520, LIFETIME))

    assert told.startswith("Send me a file.")
    assert "23 h 55 min after the upload" in told
    assert "The maximum file size is 20 MB." in told
    assert "/status" in told


def test_welcome_tells_what_can_be_asked_for() -> None:
    """Options below the answer are for links that lead to pages; a caption works in every mode."""
    plain, pages = (EN.welcome(Welcome(1, LIFETIME, have_pages=it)) for it in (False, True))
    chinese = ZH.welcome(Welcome(1, LIFETIME, have_pages=True))

    assert "/share 1h as report.pdf" in plain
    assert "Options…" not in plain
    assert "Options…" in pages
    assert "/share 1h once as report.pdf" in pages
    assert "/share 1小时 一次 名为 报告.pdf" in chinese


def test_welcome_in_chinese() -> None:
    """The same terms in Chinese."""
    told = ZH.welcome(Welcome(4 << 30, timedelta(hours=24)))

    assert "上传完成 24 小时后，链接和文件自动删除" in told
    assert "文件最大 4 GB。" in told
