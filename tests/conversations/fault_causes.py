"""Causes of trouble, their cures, and what the bot says about them."""

from collections.abc import Awaitable

from bot.demo.local_stack import LocalStack
from bot.sandbox.faults import Effect, Fault
from bot.sandbox.telegram import VisibleMessage
from tests.conversations.people import Person

THROTTLED: dict[str, str | int | float] = {"status": 503, "x-oss-qos-delay-time": 20}
NO_UPLOAD: dict[str, str | int | float] = {"status": 404, "code": "NoSuchUpload"}


def for_ever(operation: str, effect: Effect = Effect.ERROR, **args: str | int | float) -> Fault:
    """Return a fault that strikes for ever."""
    return Fault(operation, effect, times=0, args=args)


def says(answer: VisibleMessage, sentence: str, name: str = "a.bin") -> bool:
    """Say whether an answer is the name of the file and this one sentence."""
    return answer.text == f"{name}\n{sentence}"


async def hired(stage: LocalStack, **more: str) -> Person:
    """Return a user for whom a bot with further settings runs."""
    stage.more |= more
    person = Person(stage)
    await stage.start_bot(person.id)
    return person


async def done(result: object) -> None:
    """Wait for what is not done yet."""
    if isinstance(result, Awaitable):
        await result


def give_key(stage: LocalStack, *, secret: str = "", **rights: object) -> None:
    """Replace the bot's access key; without more it works and may do everything."""
    secret = secret or stage.oss.access_key_secret
    stage.oss.add_key(stage.oss.access_key_id, secret, **rights)  # type: ignore[arg-type] # passed on as given.


def fill_disk(stage: LocalStack) -> None:
    """Let the first attempt at the first job find a full disk.

    Every write to this device fails with ENOSPC; the second attempt puts a new file in its place.
    """
    spool = stage.folder / "spool"
    spool.mkdir()
    (spool / "1.part").symlink_to("/dev/full")
