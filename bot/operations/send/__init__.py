"""`relay-bot send`: the same relay as in a chat, from a shell."""

from bot.operations.send.inputs import Input, open_input
from bot.operations.send.run import Sender, SendFailed, Sent, open_sender

__all__ = ["Input", "SendFailed", "Sender", "Sent", "open_input", "open_sender"]
