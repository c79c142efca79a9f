"""What people order beside files."""

from bot.core.jobs import Origin
from bot.core.ports.chats import ChatLedger
from bot.core.ports.ledger import JobLedger
from bot.inbound.questions import UserCommands
from bot.inbound.replies import Replies
from bot.jobs.actions import JobActions


class CancelCommand:
    """One method for each order."""

    def __init__(
        self,
        jobs: JobLedger,
        people: ChatLedger,
        questions: UserCommands,
        controls: JobActions,
        replies: Replies,
    ) -> None:
        self._jobs = jobs
        self._people = people
        self._questions = questions
        self._controls = controls
        self._replies = replies

    async def cancel(self, origin: Origin) -> None:
        """Cancel all of the asker that is under way: in a group what came from there, in private
        everything.
        """
        if not await self._questions.may_ask(origin):
            return
        mine = await self._jobs.unfinished_of(origin.owner_id)
        if not origin.is_private:
            lineage = await self._people.lineage(origin.chat_id)
            mine = [job for job in mine if job.origin.chat_id in lineage]
        # From the end, or each that is cancelled would let the next one begin.
        outcomes = [await self._controls.cancel(job) for job in reversed(mine)]
        if count := outcomes.count("cancelling"):
            await self._replies.notice(origin, "cancelling-count", {"count": count})
        else:
            await self._replies.notice(origin, "nothing-to-cancel")
