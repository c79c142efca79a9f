"""The language of each person: the one they chose, or the one of their Telegram."""

from dataclasses import replace

from bot.core.jobs import Origin
from bot.core.ports.ledger import Ledger, OutboxKind
from bot.inbound.access import Access
from bot.inbound.queries import ButtonPress, ButtonReplies
from bot.inbound.questions import UserCommands
from bot.inbound.replies import Replies


class LanguageCommands:
    """Knows languages by their IETF tags; "" is no choice."""

    def __init__(
        self,
        ledger: Ledger,
        access: Access,
        questions: UserCommands,
        replies: Replies,
        queries: ButtonReplies,
    ) -> None:
        self._people = ledger.people
        self._jobs = ledger.jobs
        self._access = access
        self._questions = questions
        self._replies = replies
        self._queries = queries

    async def of(self, owner_id: int, told: str) -> str:
        """Return the language in which somebody is spoken to; `told` is that of their Telegram."""
        return (await self._people.owner(owner_id)).language or told

    async def menu(self, origin: Origin) -> None:
        """Answer `/language`."""
        if not await self._questions.may_ask(origin):
            return
        if origin.owner_id > 0:
            await self._replies.say(origin, OutboxKind.LANGUAGES)
        else:
            # Whoever hides behind a chat cannot be told from the others who do.
            await self._replies.notice(origin, "language-of-people")

    async def choose(self, query: ButtonPress, owner_id: int, language: str, told: str) -> None:
        """Take the press of a language's button; with "" that of their Telegram counts again."""
        if await self._access.is_banned(query.user_id):
            return
        if query.user_id != owner_id:
            await self._queries.answer(query, "press-not-yours")
            return
        await self._people.set_owner(owner_id, language=language)
        await self._jobs.speak(owner_id, language or told)
        spoken = replace(query, language=language or told)
        await self._queries.answer(spoken)
        await self._queries.change(spoken, OutboxKind.NOTICE, {"name": "language-chosen"})
