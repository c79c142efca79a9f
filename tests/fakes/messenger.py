"""A chat service in memory: it shows what was said, minds flood limits and fails when told to."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

from bot.core.errors import ChatFlooded, MessageGone
from bot.core.ports import Clock
from bot.core.ports.chat import Place, Reaction
from bot.core.ports.views import Answer, Notice, View
from tests.fakes.flood import FloodLimits


@dataclass(frozen=True)
class Said:
    """A call that was applied: `call` is send, edit, delete or press; presses have chat 0."""

    at: datetime
    call: str
    chat_id: int
    message_id: int
    view: View | None = None
    place: Place | None = None
    language: str = ""
    silent: bool = False
    query_id: str = ""
    plain: bool = False


@dataclass
class Trouble:
    """What happens to the calls named `call` (in one chat, if given).

    The first `skip` pass, then `times` are hit (0 = all). With `lost` the call is applied first,
    so that only its answer is lost.
    """

    call: str
    error: Exception
    chat_id: int | None = None
    skip: int = 0
    times: int = 1
    lost: bool = False
    hits: int = 0

    def strikes(self, call: str, chat_id: int) -> bool:
        """Say whether this call is hit, and count it."""
        if call != self.call or self.chat_id not in {None, chat_id}:
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times and self.hits >= self.times:
            return False
        self.hits += 1
        return True


class FakeMessenger:
    """Fulfils the `Messenger` port. `said` has what was applied, `tried` every call, both in
    order.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.said: list[Said] = []
        self.tried: list[tuple[str, int]] = []
        self.floods: list[tuple[str, int]] = []
        """Calls that were refused because the flood limit of their chat was used up."""
        self.reactions: list[tuple[int, int, Reaction]] = []
        self.fits = 10
        """How many items one message can hold."""
        self.fits_plain = 10
        """How many items one message without formatting can hold."""
        self.poison = ("", "")
        """A call ("fit", "send", "edit") that raises, if an answer has an item of this name."""
        self.held: set[asyncio.Task[None] | None] = set()
        self.holding = asyncio.Event()
        """Set whenever another call is held."""
        self._shown: dict[int, dict[int, View]] = {}
        self._troubles: list[Trouble] = []
        self._gates: dict[int, asyncio.Event] = {}
        self._limits = FloodLimits()
        self._next_id = 1000

    def trouble(self, trouble: Trouble) -> Trouble:
        """Add a trouble and return it; its `hits` tell later how often it struck."""
        self._troubles.append(trouble)
        return trouble

    def hold(self, chat_id: int) -> asyncio.Event:
        """Let every call in a chat wait until the returned event is set."""
        gate = self._gates[chat_id] = asyncio.Event()
        return gate

    def hold_no_more(self, chat_id: int) -> None:
        """Let further calls in a chat pass those that are held."""
        del self._gates[chat_id]

    def shown(self, chat_id: int) -> dict[int, View]:
        """Return what a chat shows now: views by message id, oldest first."""
        return dict(self._shown.get(chat_id, {}))

    def remove(self, chat_id: int, message_id: int) -> None:
        """Remove a message as a user does."""
        del self._shown[chat_id][message_id]

    def calls(self, call: str, chat_id: int | None = None) -> list[Said]:
        """Return the calls of one kind, in one chat if given."""
        return [s for s in self.said if s.call == call and chat_id in {None, s.chat_id}]

    async def send(
        self,
        place: Place,
        view: View,
        *,
        language: str,
        silent: bool = False,
        plain: bool = False,
    ) -> int:
        """Place a message."""
        self._swallow("send", view)
        lost = await self._enter("send", place.chat_id)
        self._next_id += 1
        message_id = self._next_id
        self._shown.setdefault(place.chat_id, {})[message_id] = view
        self._record(
            "send", place.chat_id, message_id, view, language, place, silent=silent, plain=plain
        )
        _lose(lost)
        return message_id

    async def edit(
        self, chat_id: int, message_id: int, view: View, *, language: str, plain: bool = False
    ) -> None:
        """Change a message that is shown."""
        self._swallow("edit", view)
        lost = await self._enter("edit", chat_id)
        if message_id not in self._shown.get(chat_id, {}):
            raise MessageGone("message to edit not found")
        self._shown[chat_id][message_id] = view
        self._record("edit", chat_id, message_id, view, language, plain=plain)
        _lose(lost)

    async def delete(self, chat_id: int, message_id: int) -> None:
        """Remove a message."""
        lost = await self._enter("delete", chat_id)
        self._shown.get(chat_id, {}).pop(message_id, None)
        self._record("delete", chat_id, message_id)
        _lose(lost)

    async def answer_press(self, query_id: str, notice: Notice | None, *, language: str) -> None:
        """Answer the press of a button."""
        lost = await self._enter("press", 0)
        self.said.append(
            Said(self._clock.now(), "press", 0, 0, notice, language=language, query_id=query_id)
        )
        _lose(lost)

    async def react(self, chat_id: int, message_id: int, reaction: Reaction) -> None:
        """React to a message."""
        lost = await self._enter("react", chat_id)
        self.reactions.append((chat_id, message_id, reaction))
        _lose(lost)

    async def probe(self) -> None:
        """Answer, or fail as the troubles of the call "probe" say; `tried` has none of it."""
        trouble = next((t for t in self._troubles if t.strikes("probe", 0)), None)
        if trouble:
            raise trouble.error

    def fit(
        self,
        answer: Answer,
        *,
        language: str,  # noqa: ARG002 -- the port's signature.
        together: bool = False,  # noqa: ARG002 -- the same.
        plain: bool = False,
    ) -> int:
        """Return how many leading items one message can hold."""
        self._swallow("fit", answer)
        return min(len(answer.items), self.fits_plain if plain else self.fits)

    def _swallow(self, call: str, view: View) -> None:
        items = view.items if isinstance(view, Answer) and call == self.poison[0] else ()
        if any(item.name == self.poison[1] for item in items):
            raise TypeError("poison")

    async def _enter(self, call: str, chat_id: int) -> Exception | None:
        """Go through the gate, the limits and the troubles; return the error that loses the
        answer.
        """
        self.tried.append((call, chat_id))
        await self._pass_gate(chat_id)
        trouble = next((t for t in self._troubles if t.strikes(call, chat_id)), None)
        if trouble and not trouble.lost:
            raise trouble.error
        if call in {"send", "edit"}:
            wait = self._limits.wait(chat_id, self._clock.now(), is_edit=call == "edit")
            if wait:
                self.floods.append((call, chat_id))
                raise ChatFlooded(wait)
        return trouble.error if trouble else None

    async def _pass_gate(self, chat_id: int) -> None:
        gate = self._gates.get(chat_id)
        if gate is None or gate.is_set():
            return
        task = asyncio.current_task()
        self.held.add(task)
        self.holding.set()
        try:
            await gate.wait()
        finally:
            self.held.discard(task)

    def _record(
        self,
        call: str,
        chat_id: int,
        message_id: int,
        view: View | None = None,
        language: str = "",
        place: Place | None = None,
        *,
        silent: bool = False,
        plain: bool = False,
    ) -> None:
        now = self._clock.now()
        self.said.append(
            Said(now, call, chat_id, message_id, view, place, language, silent, plain=plain)
        )


def _lose(error: Exception | None) -> None:
    if error is not None:
        raise error
