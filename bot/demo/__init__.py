"""A demonstration on this machine: the real bot between two stand-ins, and a user who sends
files.
"""

from bot.demo.story import run_demo

__all__ = ["run_demo"]
