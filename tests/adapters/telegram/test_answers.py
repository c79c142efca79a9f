"""The message that people wait for."""

from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.adapters.telegram.buttons import (
    MOST_BUTTONS,
    Action,
    Button,
    ButtonCodec,
    Buttons,
    JobButton,
)
from bot.adapters.telegram.languages import fits, load_languages
from bot.adapters.telegram.renderer import AnswerRenderer
from bot.core.files import clean_name
from bot.core.ports.pages import PageOptions, Tell
from bot.core.ports.views import AnswerItem, AnswerPage, ItemState, PageMenu
from tests.adapters.telegram.views import NOW, SHA256, URL, ended, live, make_link

LANGUAGES = load_languages()
EN = AnswerRenderer(LANGUAGES["en"], UTC)
ZH = AnswerRenderer(LANGUAGES["zh-Hans"], ZoneInfo("Asia/Shanghai"))


def test_single_answer_has_everything() -> None:
    """Name, size, link (to open and to copy), SHA-256, and the end in both ways."""
    escaped = URL.replace("&", "&amp;")

    assert (
        "<b>report.pdf</b> · 12.4 MB\n"
        f'<a href="{escaped}">Open the link</a>\n'
        f"<code>{escaped}</code>\n"
        "\n"
        f"SHA-256 <code>{SHA256}</code>\n"
        "The link expires at 2026-11-25 14:20 UTC, in 23 h 55 min." == EN.text([live()], NOW)
    )


def test_single_answer_in_chinese() -> None:
    """The same in Chinese, in the operator's zone."""
    told = ZH.text([live(name="报告.pdf")], NOW)

    assert told.startswith("<b>报告.pdf</b> · 12.4 MB\n")
    assert told.endswith("链接将于 2026-11-25 22:20 UTC+8 失效（23 小时 55 分钟后）。")


def test_single_answer_has_three_buttons() -> None:
    """Open and copy side by side, delete below them, named after the job."""
    assert (
        (Button("Open", url=URL), Button("Copy link", copies=URL)),
        (Button("Delete now", press=JobButton(Action.DELETE, 7)),),
    ) == EN.buttons([live()])


@pytest.mark.parametrize(("length", "expected"), [(256, 2), (257, 1)])
def test_copy_button_only_for_what_it_can_hold(length: int, expected: int) -> None:
    """A URL above 256 characters has no copy button; the text still copies it with one tap."""
    url = "https://bucket.example/".ljust(length, "x")
    item = live(link=make_link(url))

    assert expected == len(EN.buttons([item])[0])
    assert f"<code>{url}</code>" in EN.text([item], NOW)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (ended(ItemState.EXPIRED), "The link has expired and the file is deleted."),
        (ended(ItemState.DELETED), "Deleted: the link and the file no longer exist."),
        (ended(ItemState.CANCELLED), "Cancelled: nothing was kept."),
        (
            ended(ItemState.FAILED, code="disk_full"),
            "The bot’s disk is full; send the file again later or tell the bot’s admin.",
        ),
        (
            ended(ItemState.FAILED, code="size_mismatch", announced=10, received=9),
            "Telegram announced 10 B but sent 9 B; send the file again.",
        ),
    ],
)
def test_answers_without_a_link_have_no_buttons(item: AnswerItem, expected: str) -> None:
    """A job that has ended or failed is told in one sentence without buttons."""
    assert f"<b>other.zip</b>\n{expected}" == EN.text([item], NOW)
    assert EN.buttons([item]) == ()


def test_several_items_are_numbered_and_share_their_end() -> None:
    """Each has its link and hash; an end that is the same to the minute is told once."""
    second = live(9, "b & c.txt", link=make_link("https://x.example/b"))
    told = EN.text([live(), ended(ItemState.CANCELLED), second], NOW)
    escaped = URL.replace("&", "&amp;")

    assert (
        f'1. <a href="{escaped}">report.pdf</a> · 12.4 MB\n'
        f"<code>{escaped}</code>\n"
        f"SHA-256 <code>{SHA256}</code>\n"
        "\n"
        "2. <b>other.zip</b>\nCancelled: nothing was kept.\n"
        "\n"
        '3. <a href="https://x.example/b">b &amp; c.txt</a> · 12.4 MB\n'
        "<code>https://x.example/b</code>\n"
        f"SHA-256 <code>{SHA256}</code>\n"
        "\n"
        "All links expire at 2026-11-25 14:20 UTC, in 23 h 55 min." == told
    )


def test_several_ends_are_told_one_by_one() -> None:
    """Links that end at different minutes each say when."""
    later = live(9, link=make_link(left=timedelta(minutes=5)))
    told = EN.text([live(), later], NOW)

    assert "expires at 2026-11-25 14:20 UTC, in 23 h 55 min." in told
    assert "expires at 2026-11-24 14:30 UTC, in 5 min." in told
    assert "All links" not in told


def test_one_live_link_among_others_says_its_end() -> None:
    """A single live link among others says its own end; "all links" is not used."""
    told = EN.text([ended(ItemState.DELETED), live()], NOW)

    assert "The link expires at 2026-11-25 14:20 UTC" in told


def test_delete_buttons_are_numbered_in_rows_of_four() -> None:
    """Each live item has a button with its number; others have none."""
    items = [live(n) for n in range(1, 6)] + [ended(ItemState.DELETED), live(70)]
    first, second = EN.buttons(items)

    assert [f"Delete {n}" for n in range(1, 5)] == [b.text for b in first]
    assert [b.text for b in second] == ["Delete 5", "Delete 7"]
    assert JobButton(Action.DELETE, 70) == second[-1].press


def test_text_of_an_attacker_stays_text() -> None:
    """Markup in a name or an address is shown as text."""
    item = live(name='<b>"x"</b>', link=make_link('https://x.example/"><b>'))
    for told in (EN.text([item], NOW), EN.text([item, item], NOW)):
        assert "&lt;b&gt;&quot;x&quot;&lt;/b&gt;" in told
        assert 'href="https://x.example/&quot;&gt;&lt;b&gt;"' in told


def test_url_beyond_reason_can_still_be_opened() -> None:
    """A URL that is too long to be shown costs its copy button, never the answer."""
    item = live(link=make_link("https://x.example/".ljust(4000, "&")))
    told = EN.text([item], NOW)

    assert "<code>https" not in told
    assert "Open the link</a>" in told
    assert fits(told)


ITEMS = st.builds(
    AnswerItem,
    job_id=st.integers(1, 10**18),
    name=st.text(min_size=1, max_size=250).map(lambda raw: clean_name(raw, fallback="file")),
    state=st.sampled_from(ItemState),
    link=st.builds(
        make_link,
        st.integers(10, 3000).map(lambda n: "https://x.example/".ljust(n, "&")),
        left=st.sampled_from([timedelta(hours=1), timedelta(hours=23)]),
    ),
    size=st.integers(0, 1 << 40),
    sha256=st.just(SHA256),
    code=st.sampled_from(["file_too_large", "unexpected", "store_forbidden"]),
)


@settings(max_examples=80)
@given(st.lists(ITEMS, min_size=1, max_size=30), st.sampled_from([EN, ZH]))
def test_what_fits_is_never_refused(items: list[AnswerItem], words: AnswerRenderer) -> None:
    """As many items as `fit` returns make one message, and it returns nearly as many
    as possible.
    """
    count = words.fit(items, NOW)

    assert 1 <= count <= len(items)
    assert fits(words.text(items[:count], NOW))
    # The shared line may save up to a line per item, which `fit` does not count on.
    if count < len(items):
        # Worded in full: what belongs together may be shorter, and does not ask `fit` like this.
        full = words._list(items[: count + 1], NOW, compact=False)
        more = "\n\n".join([full, "x" * 80 * (count + 1)])
        assert not fits(more)


@pytest.mark.parametrize(("length", "expected"), [(80, 17), (350, 8), (2000, 1)])
def test_fit_counts_the_urls(length: int, expected: int) -> None:
    """Hundreds of characters of URL make fewer items per message."""
    item = live(link=make_link("https://x.example/".ljust(length, "x")))

    assert expected == EN.fit([item] * 50, NOW)


def test_fit_leaves_room_for_the_buttons() -> None:
    """A message has at most 100 buttons, so at most 100 live items."""
    item = AnswerItem(1, "a", ItemState.LIVE, link=make_link("https://x.example/".ljust(3000)))

    assert EN.fit([item] * 300, NOW) <= 100


def test_what_belongs_together_fits_as_a_whole() -> None:
    """Ten links of an album make one message: the addresses for copying are left out."""
    item = live(link=make_link("https://x.example/".ljust(500, "x")))
    count = EN.fit([item] * 10, NOW, together=True)
    told = EN.text([item] * 10, NOW)

    assert count == 10
    assert fits(told)
    assert told.count("<a href=") == 10


PAGE_URL = "https://files.example.org/Xk3" + "a" * 19
ALL_OPTIONS = PageOptions(
    most_downloads=5, password_hash="$argon2", is_paused=True, sender="陈大文", tell=Tell.EACH
)
WORDS = pytest.mark.parametrize("words", [EN, ZH], ids=["en", "zh"])


def a_page(menu: PageMenu = PageMenu.CLOSED, **more: Any) -> AnswerPage:
    """Return the page of an answer."""
    page = AnswerPage(job_id=7, url=PAGE_URL, menu=menu, lifetimes=(10, 60, 360, 1440))
    return replace(page, lifetime=1440, longest=1435, **more)


def on_page(job_id: int = 7, name: str = "report.pdf") -> AnswerItem:
    """Return a file whose link is that of the page."""
    return live(job_id, name, link=make_link(PAGE_URL))


def shown(buttons: Buttons) -> list[list[str]]:
    """The texts of buttons, row by row."""
    return [[button.text for button in row] for row in buttons]


def test_answer_with_a_page_says_what_holds() -> None:
    """Name, size, link, hash, end, what holds, and the downloads."""
    page = a_page(options=ALL_OPTIONS, downloads=3, last_download_at=NOW)

    assert (
        "<b>report.pdf</b> · 12.4 MB\n"
        f'<a href="{PAGE_URL}">Open the link</a>\n'
        f"<code>{PAGE_URL}</code>\n"
        "\n"
        f"SHA-256 <code>{SHA256}</code>\n"
        "The link expires at 2026-11-25 14:20 UTC, in 23 h 55 min.\n"
        "Paused: the link is closed for now.\n"
        "The file can be downloaded 5 times.\n"
        "Protected by a password.\n"
        "The page shows your name: 陈大文.\n"
        "I will tell you of each download.\n"
        "Downloaded 3 times, last 14:25." == EN.text([on_page()], NOW, page)
    )
    assert ZH.text([on_page()], NOW, page).endswith(
        "已暂停：链接暂时关闭。\n可下载 5 次。\n已设置密码。\n页面显示你的名字：陈大文。\n"
        "每次下载时我会通知你。\n已下载 3 次，最近一次在 22:25。"
    )


def test_files_of_a_page_share_its_link() -> None:
    """It stands once, below the numbered files; each can be deleted."""
    items = [on_page(1, "a.jpg"), ended(ItemState.EXPIRED), on_page(3, "b.jpg")]
    page = a_page(options=PageOptions(most_downloads=1))
    told = EN.text(items, NOW, page)

    assert told.count(PAGE_URL) == 2
    assert told.index("b.jpg") < told.index(PAGE_URL)
    assert told.endswith("Each file can be downloaded once.")
    assert shown(EN.buttons(items, page)) == [
        ["Open", "Copy link"],
        ["Delete 1", "Delete 3"],
        ["Options…"],
    ]


MENUS = {
    PageMenu.CLOSED: [["打开", "复制链接"], ["立即删除", "选项…"]],
    PageMenu.MAIN: [
        ["有效期…", "下载次数…"],
        ["设置密码", "二维码"],
        ["暂停", "更换网址"],
        ["下载通知…", "显示我的名字"],
        ["返回"],
    ],
    PageMenu.EXPIRES: [["10 分钟", "1 小时"], ["6 小时", "• 24 小时"], ["返回"]],
    PageMenu.DOWNLOADS: [["1 次", "5 次", "• 不限"], ["返回"]],
    PageMenu.TELL: [["• 不通知"], ["首次下载时"], ["每次下载时"], ["返回"]],
}


@pytest.mark.parametrize("menu", PageMenu)
def test_menus_of_a_page(menu: PageMenu) -> None:
    """What is chosen is marked."""
    assert shown(ZH.buttons([on_page()], a_page(menu))) == MENUS[menu]


@pytest.mark.parametrize("page", [a_page(), a_page(PageMenu.MAIN), a_page(PageMenu.EXPIRES)])
def test_a_page_that_is_over_can_be_sent_again(page: AnswerPage) -> None:
    """Whichever menu was open."""
    assert shown(EN.buttons([ended(ItemState.EXPIRED)], page)) == [["Send again"]]
    assert EN.buttons([ended(ItemState.CANCELLED)], page) == ()


def test_what_is_used_up_is_allowed_again_with_one_press() -> None:
    """Below the answer once all is used, in the options once a part is, in groups too."""
    once: dict[str, Any] = {"options": PageOptions(most_downloads=1), "can_rearm": True}
    used_up = a_page(is_used_up=True, **once)
    few = a_page(PageMenu.MAIN, is_few=True, **once)

    assert shown(EN.buttons([on_page()], used_up))[2:] == [["Allow again"]]
    assert shown(EN.buttons([on_page(), on_page()], used_up))[-1] == ["Allow again"]
    assert shown(EN.buttons([on_page()], a_page(**once))) == [
        ["Open", "Copy link"],
        ["Delete now", "Options…"],
    ]
    assert shown(EN.buttons([on_page()], few)) == [
        ["Expires…", "Pause"],
        ["New address"],
        ["Allow again"],
        ["Back"],
    ]


@WORDS
@pytest.mark.parametrize("menu", PageMenu)
def test_buttons_of_a_page_fit_a_phone(words: AnswerRenderer, menu: PageMenu) -> None:
    """Texts of two in a row are not cut off, and the data fits into Telegram's 64 bytes."""
    codec = ButtonCodec(b"token")
    page = a_page(
        menu,
        job_id=(1 << 53) - 1,
        options=ALL_OPTIONS,
        downloads=10**9,
        generation=999_999,
        can_rearm=True,
        is_used_up=True,
    )
    buttons = words.buttons([on_page()], page)

    for row in buttons:
        # Chinese characters are twice as wide.
        widths = [sum(2 if char > "\u2e80" else 1 for char in button.text) for button in row]
        assert max(widths) * len(row) <= 34
    data = [codec.encode(b.press) for row in buttons for b in row if b.press is not None]
    assert max(map(len, data)) <= 64


NAUGHTY = st.text(min_size=1, max_size=250).map(lambda raw: clean_name(raw, fallback="file"))


@settings(max_examples=60)
@given(st.lists(NAUGHTY, min_size=1, max_size=60), NAUGHTY, st.sampled_from([EN, ZH]))
def test_options_fit_into_an_answer_later(
    names: list[str], sender: str, words: AnswerRenderer
) -> None:
    """What fitted still fits when every option is set and used up, with any name of a person."""
    items = [on_page(n, name) for n, name in enumerate(names, 1)]
    count = words.fit(items, NOW, a_page())
    options = replace(ALL_OPTIONS, most_downloads=10**6, sender=sender[:64])
    page = a_page(
        options=options,
        downloads=10**9,
        last_download_at=NOW,
        can_rearm=True,
        is_used_up=True,
    )
    told = words.text(items[:count], NOW, page)
    buttons = words.buttons(items[:count], page)

    assert 1 <= count <= len(items)
    assert fits(told)
    assert sum(map(len, buttons)) <= MOST_BUTTONS
    assert words.fit_plain(items, NOW, a_page()) >= 1


def test_a_page_leaves_room_for_its_buttons() -> None:
    """A hundred short names would fit into the text."""
    items = [AnswerItem(n, "a", ItemState.LIVE, link=make_link(PAGE_URL)) for n in range(1, 301)]
    page = a_page(is_used_up=True)
    count = EN.fit(items, NOW, page)

    assert sum(map(len, EN.buttons(items[:count], page))) <= MOST_BUTTONS
