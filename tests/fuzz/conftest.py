"""A stage for each test, as conversations have it."""

from tests.conversations.conftest import _logs, stage

__all__ = ["_logs", "stage"]
