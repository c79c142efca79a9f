"""The Bot API stand-in: a strict server on loopback, and people who use the bot."""

from bot.sandbox.telegram.channels import Channel
from bot.sandbox.telegram.chats import REAL_SIZE, ButtonNotFound, Chat, MessageNotFound
from bot.sandbox.telegram.flood import Flood, FloodMode
from bot.sandbox.telegram.groups import Group
from bot.sandbox.telegram.messages import Message
from bot.sandbox.telegram.privacy import Privacy
from bot.sandbox.telegram.private_chats import PrivateChat
from bot.sandbox.telegram.queries import Query, QueryAnswer
from bot.sandbox.telegram.remote import ControlRefused, RemoteChat, RemoteTelegram
from bot.sandbox.telegram.shown import Button, Event, Happening, Shown, ShownFile
from bot.sandbox.telegram.stand_in import TelegramStandIn
from bot.sandbox.telegram.users import User

__all__ = [
    "REAL_SIZE",
    "Button",
    "ButtonNotFound",
    "Channel",
    "Chat",
    "ControlRefused",
    "Event",
    "Flood",
    "FloodMode",
    "Group",
    "Happening",
    "Message",
    "MessageNotFound",
    "Privacy",
    "PrivateChat",
    "Query",
    "QueryAnswer",
    "RemoteChat",
    "RemoteTelegram",
    "Shown",
    "ShownFile",
    "TelegramStandIn",
    "User",
]
