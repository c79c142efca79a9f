"""When a chat may be spoken to: one call at a time, within its budget."""

from datetime import datetime, timedelta

from bot.core.errors import ChatError, ChatFlooded
from bot.core.ports.clock import Clock
from bot.outbound.budget import RESERVED_FOR_REPLIES, RateLimits
from bot.outbound.lanes import InFlightCalls

RETRY_AFTER = timedelta(seconds=3)


class ChatGate:
    """Lanes and budgets together, as replies and answers use them."""

    def __init__(self, budgets: RateLimits, lanes: InFlightCalls, clock: Clock) -> None:
        self._budgets = budgets
        self._lanes = lanes
        self._clock = clock

    def ready(
        self, chat_id: int, *, is_reply: bool = False, is_edit: bool = False
    ) -> datetime | None:
        """Return when a call may be made, or `None` while one is under way.

        An edit waits for the one that is under way too: a late one would bring a status message
        back that has become an answer.
        """
        if not self._lanes.is_free(("send", chat_id)):
            return None
        if is_edit and not self._lanes.is_free(("edit", chat_id)):
            return None
        budget = self._budgets.of(chat_id)
        bucket = budget.edits if is_edit else budget.messages
        return budget.ready_at(bucket, self._clock.now(), reserve=_reserve(is_reply=is_reply))

    def take(self, chat_id: int, *, is_reply: bool = False, is_edit: bool = False) -> None:
        """Take what the call costs out of the budget."""
        budget = self._budgets.of(chat_id)
        bucket = budget.edits if is_edit else budget.messages
        budget.take(bucket, self._clock.now(), reserve=_reserve(is_reply=is_reply))

    def pause(self, chat_id: int, error: ChatError) -> None:
        """Say nothing in the chat for as long as this error asks for."""
        self._budgets.of(chat_id).pause(self._clock.now() + wait_after(error))


def wait_after(error: ChatError, *, otherwise: timedelta = RETRY_AFTER) -> timedelta:
    """Return how long an error asks to say nothing, or `otherwise` where it does not say."""
    return timedelta(seconds=error.delay) if isinstance(error, ChatFlooded) else otherwise


def _reserve(*, is_reply: bool) -> float:
    return 0.0 if is_reply else RESERVED_FOR_REPLIES
