"""The message that people wait for."""

from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.adapters.telegram.buttons import Action, Button, JobButton
from bot.adapters.telegram.languages import fits, load_languages
from bot.adapters.telegram.renderer import AnswerRenderer
from bot.core.files import clean_name
from bot.core.ports.views import AnswerItem, ItemState
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
