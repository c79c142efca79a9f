"""What is said to somebody who writes: at most one thing per message, put into the outbox."""

from collections.abc import Mapping

from bot.core.jobs import Origin
from bot.core.ports.clock import Clock
from bot.core.ports.ledger import Ledger
from bot.core.ports.outbox import OutboxKind, OutboxMessage, Priority
from bot.inbound.access import Access, Admission
from bot.inbound.deferred import RequestKind
from bot.jobs.lifecycle import Signals


class Replies:
    """Lets people in, and answers them."""

    def __init__(self, ledger: Ledger, access: Access, clock: Clock, signals: Signals) -> None:
        self._outbox = ledger.outbox
        self._access = access
        self._clock = clock
        self._signals = signals

    async def admit(self, origin: Origin) -> bool:
        """Say whether somebody may go on; who may not is told, if anything.

        A group that is not allowed is left.
        """
        match await self._access.admit(origin):
            case Admission.WELCOME:
                return True
            case Admission.STRANGER if self.should_tell(origin.owner_id):
                await self.notice(origin, "stranger", {"id": origin.owner_id})
            case Admission.FOREIGN_GROUP:
                await self.defer(
                    origin, RequestKind.LEAVE, {"tell": self.should_tell(origin.chat_id)}
                )
        return False

    def should_tell(self, id_: int) -> bool:
        """Say whether a stranger or a foreign group is told now that it is one."""
        return self._access.should_tell_stranger(id_, self._clock.now())

    async def notice(
        self, origin: Origin, name: str, args: Mapping[str, str | int] | None = None
    ) -> None:
        """Answer a message with a fixed sentence."""
        await self.say(origin, OutboxKind.NOTICE, {"name": name, **(args or {})})

    async def defer(
        self, origin: Origin, kind: RequestKind, payload: dict[str, str | int] | None = None
    ) -> None:
        """Leave it to the desk to answer a message."""
        await self.say(origin, OutboxKind.REQUEST, {"do": kind.value, **(payload or {})})

    async def say(
        self, origin: Origin, kind: OutboxKind, payload: dict[str, str | int] | None = None
    ) -> None:
        """Answer a message."""
        await self.post(
            OutboxMessage(
                kind=kind,
                priority=Priority.REPLY,
                chat_id=origin.chat_id,
                thread_id=origin.thread_id,
                reply_to=origin.message_id,
                owner_id=origin.owner_id,
                language=origin.language,
                dedupe=f"message:{origin.chat_id}:{origin.message_id}",
                payload=payload or {},
            )
        )

    async def post(self, message: OutboxMessage) -> None:
        """Put something into the outbox, unless it is there already."""
        if await self._outbox.post(message, self._clock.now()):
            self._signals.outbox.set()
