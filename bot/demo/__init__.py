"""A demonstration on this machine: the real bot between two stand-ins, and a user who sends files,
or a page in a browser from which a person sends them.
"""

from bot.demo.local_stack import run_chat
from bot.demo.story import run_demo

__all__ = ["run_chat", "run_demo"]
