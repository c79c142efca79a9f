"""The main job, shown on this machine: the real bot between two stand-ins, and a person who uses
it.
"""

from bot.demo.story import run_demo

__all__ = ["run_demo"]
