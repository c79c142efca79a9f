"""What an operator does beside a running bot, or before there is one. One module or package for
each command; none prints anything.
"""

from bot.operations.audit import run_audit
from bot.operations.failures import OperationImpossible

__all__ = ["OperationImpossible", "run_audit"]
