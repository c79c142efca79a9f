"""A bot of pyTelegramBotAPI, in the environment that `environments.py` makes.

Reads a job (JSON) from standard input, serves until /stop, and prints what it received and what
became of its calls.
"""

import hashlib
import json
import sys
from collections.abc import Callable
from typing import Any

# It lives in an environment of its own.
import telebot
from telebot import apihelper, types

JOB = json.load(sys.stdin)
REPORT: dict[str, Any] = {"files": [], "presses": [], "errors": {}, "sent": []}

apihelper.API_URL = JOB["server"] + "/bot{0}/{1}"
apihelper.FILE_URL = JOB["server"] + "/file/bot{0}/{1}"


class Loud(telebot.ExceptionHandler):
    """Let an unexpected error end the bot, so that the test sees it."""

    def handle(self, exception: Exception) -> bool:
        """Not handled."""
        del exception
        return False


BOT = telebot.TeleBot(JOB["token"], threaded=False, exception_handler=Loud())


def error_of(name: str, work: Callable[[], Any]) -> None:
    """Note the error of a call."""
    try:
        work()
    except apihelper.ApiTelegramException as error:
        wait = error.result_json.get("parameters", {}).get("retry_after")
        REPORT["errors"][name] = [error.error_code, error.description, wait]
    else:
        REPORT["errors"][name] = "none"


def stop(_: Any) -> None:
    """End."""
    BOT.stop_bot()


def upload(message: Any) -> None:
    """Send documents: as bytes, by id, as an album."""
    chat, content = message.chat.id, b"uploaded by pyTelegramBotAPI"
    first = BOT.send_document(chat, content, visible_file_name="up ü.bin", caption="Here")
    again = BOT.send_document(chat, first.document.file_id)
    album = BOT.send_media_group(
        chat,
        [
            types.InputMediaDocument(types.InputFile(__file__)),
            types.InputMediaDocument(types.InputFile(__file__), caption="Both"),
        ],
    )
    same = again.document.file_unique_id == first.document.file_unique_id
    REPORT["sent"] += [first.document.file_name, same]
    REPORT["sent"] += [len(album), album[0].media_group_id == album[1].media_group_id]


def errors(message: Any) -> None:
    """Do what is refused."""
    chat = message.chat.id
    sent = BOT.send_message(chat, "same").message_id
    long = types.InlineKeyboardMarkup([[types.InlineKeyboardButton("l", callback_data="x" * 65)]])
    error_of("same", lambda: BOT.edit_message_text("same", chat, sent))
    error_of("flood", lambda: BOT.send_message(chat, "flooded"))
    error_of("long", lambda: BOT.send_message(chat, "x" * 4097))
    error_of("empty", lambda: BOT.send_message(chat, ""))
    error_of("parse", lambda: BOT.send_message(chat, "<b>open", parse_mode="HTML"))
    error_of("button", lambda: BOT.send_message(chat, "b", reply_markup=long))
    error_of("chat", lambda: BOT.send_message(5, "nobody"))
    error_of("edit", lambda: BOT.edit_message_text("gone", chat, 99999))
    error_of("delete", lambda: BOT.delete_message(chat, 99999))
    error_of("query", lambda: BOT.answer_callback_query("17"))
    error_of("file", lambda: BOT.get_file("no such file"))
    error_of("token", lambda: telebot.TeleBot("123456:another-token").get_me())
    # The library has no call for a method that it does not know.
    error_of("missing", lambda: apihelper._make_request(JOB["token"], "noSuchMethod"))
    BOT.send_message(chat, "done")


def receive(message: Any) -> None:
    """Download a file; answer with its size and a keyboard."""
    file = message.document or message.photo[-1]
    content = BOT.download_file(BOT.get_file(file.file_id).file_path)
    name = message.document.file_name if message.document else None
    digest = hashlib.sha256(content).hexdigest()
    REPORT["files"].append([message.content_type, name, len(content), digest, message.caption])
    if message.media_group_id is not None:
        return
    buttons = types.InlineKeyboardMarkup(row_width=1)
    buttons.add(types.InlineKeyboardButton("Edit", callback_data="edit"))
    buttons.add(types.InlineKeyboardButton("Open", url="https://example.com/"))
    text = f"<b>{len(content)}</b> bytes"
    BOT.reply_to(message, text, parse_mode="HTML", reply_markup=buttons)


def press(query: Any) -> None:
    """Edit or delete the message of the button."""
    chat, sent = query.message.chat.id, query.message.message_id
    REPORT["presses"].append([query.data, query.message.text, query.from_user.first_name])
    if query.data == "edit":
        button = types.InlineKeyboardButton("Delete", callback_data="delete")
        markup = types.InlineKeyboardMarkup([[button]])
        BOT.edit_message_text("Edited", chat, sent, reply_markup=markup)
        BOT.answer_callback_query(query.id, "Done", show_alert=True)
    else:
        BOT.answer_callback_query(query.id)
        BOT.delete_message(chat, sent)


BOT.register_message_handler(stop, commands=["stop"])
BOT.register_message_handler(upload, commands=["upload"])
BOT.register_message_handler(errors, commands=["errors"])
BOT.register_message_handler(receive, content_types=["document", "photo"])
BOT.register_callback_query_handler(press, func=lambda _: True)
REPORT["me"] = BOT.get_me().username
BOT.remove_webhook()
BOT.polling(non_stop=False, long_polling_timeout=20)
sys.stdout.write(json.dumps(REPORT))
