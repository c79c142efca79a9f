"""The type of all methods, and the chat and messages named by their parameters."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from bot.sandbox.telegram.errors import REPLY_NOT_FOUND, TOPIC_CLOSED, bad_request
from bot.sandbox.telegram.membership import check_writable, has_topic, is_general_closed
from bot.sandbox.telegram.model import ChatState, Message
from bot.sandbox.telegram.params import Params
from bot.sandbox.telegram.world import World

Method = Callable[[World, Params], Awaitable[Any]]
"""Takes a request's parameters and returns the `result` of the envelope, or raises `ApiError`."""


@dataclass(frozen=True, slots=True)
class Described:
    """A result that comes with a description."""

    result: Any
    description: str


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a new message goes."""

    chat: ChatState
    reply_to: Message | None
    thread_id: int | None
    is_topic: bool


def find_chat(world: World, params: Params, name: str = "chat_id") -> ChatState:
    """Return the chat that parameter `name` names, writable or not.

    Raises:
        ApiError: the parameter is missing, or there is no such chat.
    """
    wanted = params.values.get(name)
    if wanted is None or wanted == "":
        raise bad_request(f"{name} is empty")
    chat = world.find_chat(wanted if isinstance(wanted, int) else str(wanted))
    if chat is None:
        raise bad_request("chat not found")
    return chat


def writable_chat(world: World, params: Params) -> ChatState:
    """Return the chat of the request.

    Raises:
        ApiError: there is none, or the bot may not write there.
    """
    chat = find_chat(world, params)
    check_writable(world, chat)
    return chat


def destination_of(world: World, params: Params) -> Destination:
    """Return where the new message of a request goes.

    Raises:
        ApiError: the chat, the topic, or the message to reply to is not there.
    """
    chat = writable_chat(world, params)
    thread_id = params.integer("message_thread_id") or None
    if thread_id is not None and not has_topic(chat, thread_id):
        raise bad_request("message thread not found")
    if thread_id is None and is_general_closed(chat):
        raise bad_request(TOPIC_CLOSED)
    return Destination(chat, _reply_to(chat, params), thread_id, thread_id is not None)


def _reply_to(chat: ChatState, params: Params) -> Message | None:
    reply: dict[str, Any] | None = params.mapping("reply_parameters", "reply parameters")
    if reply is None:
        # The parameters of before Bot API 7.0 still work.
        reply = {
            "message_id": params.integer("reply_to_message_id"),
            "allow_sending_without_reply": params.flag("allow_sending_without_reply"),
        }
    message_id = Params(reply).integer("message_id")
    if message_id <= 0:
        return None
    message = chat.find(message_id)
    if message is None and not reply.get("allow_sending_without_reply"):
        raise bad_request(REPLY_NOT_FOUND)
    return message


def find_message(chat: ChatState, params: Params, *, missing: str) -> Message:
    """Return the message that `message_id` names.

    Raises:
        ApiError: the parameter is missing, or there is no such message (text `missing`).
    """
    message_id = params.integer("message_id")
    if message_id <= 0:
        raise bad_request("message identifier is not specified")
    message = chat.find(message_id)
    if message is None:
        raise bad_request(missing)
    return message
