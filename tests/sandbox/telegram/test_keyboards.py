"""Inline keyboards: what the server takes, what it refuses, what a person sees."""

from typing import Any

import pytest

from bot.sandbox.telegram import Button, PrivateChat
from tests.sandbox.telegram.conftest import Call

PREFIX = "can't parse inline keyboard button: "


async def test_buttons_are_shown(call: Call, chat: PrivateChat) -> None:
    """Rows of buttons are shown as they were sent; a button without text is left out."""
    rows = [
        [{"text": "Open", "url": "http://127.0.0.1:9/x"}, {"text": "Stop", "callback_data": "s"}],
        [{"text": "Copy", "copy_text": {"text": "c" * 256}}, {"text": "", "callback_data": "x"}],
    ]
    markup = {"inline_keyboard": rows}
    answer = await call("sendMessage", chat_id=chat.id, text="x", reply_markup=markup)
    shown = (
        (Button("Open", url="http://127.0.0.1:9/x"), Button("Stop", data="s")),
        (Button("Copy", copy_text="c" * 256),),
    )

    assert shown == chat.messages[0].buttons
    assert rows[0] == answer["result"]["reply_markup"]["inline_keyboard"][0]


@pytest.mark.parametrize(
    ("button", "error"),
    [
        ({"text": "x"}, PREFIX + "Text buttons are unallowed in the inline keyboard"),
        ({"text": "x", "callback_data": ""},
         PREFIX + "Text buttons are unallowed in the inline keyboard"),
        ({"callback_data": "x"}, PREFIX + 'Can\'t find field "text"'),
        ({"text": 5, "callback_data": "x"}, PREFIX + 'Field "text" must be of type String'),
        ("x", PREFIX + "InlineKeyboardButton must be an Object"),
        ({"text": "x", "callback_data": "é" * 33}, "BUTTON_DATA_INVALID"),
        ({"text": "x", "copy_text": {"text": "c" * 257}}, "BUTTON_COPY_TEXT_INVALID"),
        ({"text": "x", "copy_text": {"text": ""}}, "BUTTON_COPY_TEXT_INVALID"),
        ({"text": "x", "copy_text": {}}, PREFIX + 'Can\'t find field "text"'),
        ({"text": "x", "url": "not-a-url"},
         "inline keyboard button URL 'not-a-url' is invalid: Wrong HTTP URL"),
        ({"text": "x", "url": "http://localhost:8000/"},
         "inline keyboard button URL 'http://localhost:8000/' is invalid: Wrong HTTP URL"),
        ({"text": "x", "url": "ftp://a.example"},
         "inline keyboard button URL 'ftp://a.example' is invalid: Unsupported URL protocol"),
    ],
)  # fmt: skip
async def test_bad_buttons(call: Call, chat: PrivateChat, button: Any, error: str) -> None:
    """A button that the real server refuses is refused with its words."""
    markup = {"inline_keyboard": [[button]]}
    answer = await call("sendMessage", chat_id=chat.id, text="x", reply_markup=markup)

    assert f"Bad Request: {error}" == answer["description"]


@pytest.mark.parametrize(
    ("markup", "error"),
    [
        ("{nonsense", "can't parse reply keyboard markup JSON object"),
        ([1], "object expected as reply markup"),
        ({"inline_keyboard": 1}, 'field "inline_keyboard" must be of type Array'),
        ({"inline_keyboard": [1]}, 'field "inline_keyboard" must be an Array of Arrays'),
        ({"inline_keyboard": [[{"text": "x", "callback_data": "y"}] * 101]},
         "reply markup is too long"),
    ],
)  # fmt: skip
async def test_bad_keyboards(call: Call, chat: PrivateChat, markup: Any, error: str) -> None:
    """A keyboard that cannot be read is refused."""
    answer = await call("sendMessage", chat_id=chat.id, text="x", reply_markup=markup)

    assert f"Bad Request: {error}" == answer["description"]


@pytest.mark.parametrize(
    "markup",
    [{}, {"inline_keyboard": []}, {"remove_keyboard": True}, {"keyboard": [["A"]]}],
)
async def test_other_markup_is_not_shown(call: Call, chat: PrivateChat, markup: Any) -> None:
    """Empty and reply keyboards are taken and leave no trace on the message."""
    answer = await call("sendMessage", chat_id=chat.id, text="x", reply_markup=markup)

    assert "reply_markup" not in answer["result"]


async def test_an_edit_without_keyboard_removes_it(call: Call, chat: PrivateChat) -> None:
    """Editing the text alone takes the buttons away; editing the keyboard keeps the text."""
    markup = {"inline_keyboard": [[{"text": "x", "callback_data": "y"}]]}
    sent = await call("sendMessage", chat_id=chat.id, text="x", reply_markup=markup)
    target = {"chat_id": chat.id, "message_id": sent["result"]["message_id"]}
    await call("editMessageText", **target, text="y")
    without = chat.messages[0]
    await call("editMessageReplyMarkup", **target, reply_markup=markup)

    assert (without.text, without.buttons) == ("y", ())
    assert (
        chat.messages[0].text,
        len(chat.messages[0].buttons),
        chat.messages[0].edited,
    ) == ("y", 1, 2)
