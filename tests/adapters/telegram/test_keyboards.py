"""Signed callback data and keyboards."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters.telegram.buttons import (
    LONGEST_DATA,
    Action,
    Button,
    ButtonCodec,
    ButtonData,
    JobButton,
    LanguageButton,
    PageButton,
)
from bot.core.ports.views import Listing
from tests.adapters.telegram.views import URL

KEYBOARDS = ButtonCodec(b"123456:TEST-token")
OLD_TAG = "cL2i4pmmDk18S15z"


IDS = st.integers(-(1 << 52), 1 << 52)
"""Chats and users have ids of at most 52 bits (source: Bot API, "Chat" and "User")."""
WISHES = st.one_of(
    st.builds(JobButton, st.sampled_from(Action), st.integers(0, (1 << 63) - 1)),
    st.builds(PageButton, st.sampled_from(Listing), IDS, st.integers(1, 999_999)),
    st.builds(LanguageButton, IDS, st.integers(0, 9)),
)


@given(WISHES)
def test_press_is_read_back(desired: ButtonData) -> None:
    """A press reads back the data of its button, of at most 64 bytes."""
    data = KEYBOARDS.encode(desired)

    assert desired == KEYBOARDS.parse(data)
    assert len(data.encode()) <= LONGEST_DATA


def test_buttons_of_earlier_versions_still_work() -> None:
    """Data that was signed before lists had pages, by the rule of that time."""
    assert KEYBOARDS.encode(JobButton(Action.CANCEL, 7)) == "cancel:7:" + OLD_TAG

    assert KEYBOARDS.parse("cancel:7:" + OLD_TAG) == JobButton(Action.CANCEL, 7)


@pytest.mark.parametrize("data", ["status:5.2", "links:-100.1", "language:5.1"])
def test_page_of_another_is_refused(data: str) -> None:
    """A tag moved to another list, another subject or another page is not ours."""
    wishes: dict[str, ButtonData] = {
        "status:5.2": PageButton(Listing.STATUS, 5, 2),
        "links:-100.1": PageButton(Listing.LINKS, -100, 1),
        "language:5.1": LanguageButton(5, 1),
    }
    desired = wishes[data]
    tag = KEYBOARDS.encode(desired).removeprefix(f"{data}:")
    verb, _, what = data.partition(":")

    assert KEYBOARDS.parse(f"{data}:{tag}") == desired
    for forged in (f"{data}1:{tag}", f"{verb}:1{what}:{tag}", f"cancel:{what}:{tag}"):
        assert KEYBOARDS.parse(forged) is None


@pytest.mark.parametrize(
    "what", [("cancel", "7.1"), ("status", "7"), ("newer", "7"), ("newer", "7.1")]
)
def test_signed_data_of_another_version_is_nobody_s_press(what: tuple[str, str]) -> None:
    """Data signed with our key but without a meaning here is refused, not an error."""
    tag = KEYBOARDS._tag(*what)

    assert KEYBOARDS.parse(f"{what[0]}:{what[1]}:{tag}") is None


@given(st.text(max_size=80))
def test_made_up_data_is_nobody_s_press(data: str) -> None:
    """Data that we did not sign is refused, and never an error."""
    assert KEYBOARDS.parse(data) is None


def test_tag_belongs_to_one_job_and_one_action() -> None:
    """A tag moved to another job or another action is refused."""
    action, job_id, tag = KEYBOARDS.encode(JobButton(Action.CANCEL, 7)).split(":")

    assert KEYBOARDS.parse(f"{action}:8:{tag}") is None
    assert KEYBOARDS.parse(f"delete:{job_id}:{tag}") is None
    assert KEYBOARDS.parse(f"{action}:07:{tag}") is None
    assert KEYBOARDS.parse(f"{action}:{job_id}:{tag[:-1]}") is None
    assert KEYBOARDS.parse(f"{action}:{job_id}:{tag}\n") is None
    assert KEYBOARDS.parse(f"{action}:\u0667:{tag}") is None


@given(st.integers(0, 15), st.integers(1, 63))
def test_changed_tag_is_refused(position: int, step: int) -> None:
    """Each character of the tag counts."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    head, tag = KEYBOARDS.encode(JobButton(Action.DELETE, 7)).rsplit(":", 1)
    other = alphabet[(alphabet.index(tag[position]) + step) % 64]

    assert KEYBOARDS.parse(f"{head}:{tag[:position]}{other}{tag[position + 1 :]}") is None


def test_buttons_work_after_a_restart_but_not_for_another_bot() -> None:
    """The same token makes the same tags; another token makes others."""
    data = KEYBOARDS.encode(JobButton(Action.DELETE, 7))

    assert JobButton(Action.DELETE, 7) == ButtonCodec(b"123456:TEST-token").parse(data)
    assert ButtonCodec(b"123456:TEST-other").parse(data) is None


def test_secret_does_not_show() -> None:
    """Neither the object nor its data tells the token."""
    assert "TEST" not in repr(KEYBOARDS) + KEYBOARDS.encode(JobButton(Action.CANCEL, 1))


def test_empty_secret_is_refused() -> None:
    """An empty secret, with which any app could sign buttons, is a mistake of the caller."""
    with pytest.raises(ValueError, match="empty secret"):
        ButtonCodec(b"")


def test_markup_of_each_kind() -> None:
    """A button opens, copies, or carries signed data; rows stay rows."""
    markup = KEYBOARDS.markup(
        (
            (Button("Open", url=URL), Button("Copy", copies=URL)),
            (Button("Delete", press=JobButton(Action.DELETE, 7)),),
        )
    )
    assert markup is not None
    (first, second), (third,) = markup.inline_keyboard

    assert (first.text, first.url) == ("Open", URL)
    assert second.copy_text is not None
    assert second.copy_text.text == URL
    assert KEYBOARDS.encode(JobButton(Action.DELETE, 7)) == third.callback_data


def test_no_buttons_make_no_keyboard() -> None:
    """Without a keyboard an edit removes the old one."""
    assert KEYBOARDS.markup(()) is None
