"""The Telegram stand-in: a Bot API server on loopback, and chats to use the bot as people do."""

from bot.sandbox.telegram.chats import (
    REAL_SIZE,
    ButtonNotFound,
    Chat,
    MessageNotFound,
    PrivateChat,
)
from bot.sandbox.telegram.flood import Flood, FloodMode
from bot.sandbox.telegram.groups import Channel, Group
from bot.sandbox.telegram.model import CallbackAnswer, CallbackQuery, Message
from bot.sandbox.telegram.privacy import Privacy
from bot.sandbox.telegram.remote import ControlRefused, RemoteChat, RemoteTelegram
from bot.sandbox.telegram.stand_in import TelegramStandIn
from bot.sandbox.telegram.users import User
from bot.sandbox.telegram.views import Button, ChatEvent, EventKind, VisibleFile, VisibleMessage

__all__ = [
    "REAL_SIZE",
    "Button",
    "ButtonNotFound",
    "CallbackAnswer",
    "CallbackQuery",
    "Channel",
    "Chat",
    "ChatEvent",
    "ControlRefused",
    "EventKind",
    "Flood",
    "FloodMode",
    "Group",
    "Message",
    "MessageNotFound",
    "Privacy",
    "PrivateChat",
    "RemoteChat",
    "RemoteTelegram",
    "TelegramStandIn",
    "User",
    "VisibleFile",
    "VisibleMessage",
]
