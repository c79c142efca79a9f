"""`relay-bot setup`: makes the bucket what the bot needs, and changes nothing else unasked."""

from bot.operations.setup.change import Change
from bot.operations.setup.run import Outcome, run_setup
from bot.operations.setup.wish import Wish

__all__ = ["Change", "Outcome", "Wish", "run_setup"]
