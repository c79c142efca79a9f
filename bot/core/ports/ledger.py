"""The ledger: the durable record of jobs, deadlines and pending messages.

Every method is one transaction, committed when it returns. State changes name the state and the
attempt (the fence) that they expect; a method that returns `bool` says whether the row was still
as expected, and does not change it where it was not.
"""

from typing import Protocol

from bot.core.ports.answers import AnswerLedger, StatusMessageLedger
from bot.core.ports.chats import ChatLedger
from bot.core.ports.jobs import JobLedger, ObjectLedger, TotalsLedger
from bot.core.ports.outbox import DeadUpdates, Outbox


class Ledger(Protocol):
    """The whole ledger."""

    @property
    def jobs(self) -> JobLedger:
        """Jobs, from acceptance to their final state."""

    @property
    def objects(self) -> ObjectLedger:
        """Objects and their due dates."""

    @property
    def answers(self) -> AnswerLedger:
        """Answers and their jobs."""

    @property
    def status_messages(self) -> StatusMessageLedger:
        """Status messages."""

    @property
    def outbox(self) -> Outbox:
        """Messages to send other than answers."""

    @property
    def dead_updates(self) -> DeadUpdates:
        """Updates that cannot be handled."""

    @property
    def totals(self) -> TotalsLedger:
        """Totals of ended jobs."""

    @property
    def chats(self) -> ChatLedger:
        """Rules of chats and owners, and their usage."""
