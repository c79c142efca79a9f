"""Assert that a job left nothing behind, and let time pass until it has given up."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial

import pytest
import stamina

from bot.demo.local_stack import LocalStack
from bot.sandbox.telegram import Message, VisibleMessage
from bot.transfer.pool import RetryPolicy
from tests.conversations.people import PATIENCE, Person

A_MOMENT = timedelta(seconds=2)
"""Enough for two messages more."""
SOME_SECONDS = timedelta(seconds=5)
"""Enough for a short wait of the bot to end."""
ONE_SWEEP_LATER = timedelta(minutes=11)
"""Abandoned objects are removed at once, and once more after ten minutes."""
LONGEST_WAIT = timedelta(minutes=15)
"""Between two attempts at a job."""


@contextmanager
def second_tries_at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let repeated calls inside one attempt follow at once, as many as there always are: their
    waits are real time. Waits between the attempts at a job are the clock's and stay.
    """
    delay = RetryPolicy.delay
    monkeypatch.setattr(RetryPolicy, "delay", lambda *args: min(delay(*args), 0.01))
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


async def until_it_waits(person: Person, message: Message) -> str | None:
    """Ask for the status until it says that the job waits for its next try, and return what it
    says; `None` if the message has been answered by then.
    """
    async with asyncio.timeout(PATIENCE):
        while person.answer_to(message) is None:
            overview = await person.answered(await person.write("/status"))
            if "next attempt in" in overview.text:
                return overview.text
            # Replies go first: without a pause, questions would leave no room for the answer.
            person.stage.clock.advance(A_MOMENT)
            with suppress(TimeoutError):
                await person.until(lambda: person.answer_to(message) is not None, timeout=0.2)
    return None


async def until_given_up(person: Person, message: Message) -> tuple[int, VisibleMessage]:
    """Move the clock on whenever the job waits, and return how often that was, and the answer."""
    waits = 0
    while await until_it_waits(person, message) is not None:
        waits += 1
        person.stage.clock.advance(LONGEST_WAIT)
    return waits, await person.answered(message)


async def let_time_pass(person: Person, condition: Callable[[], bool]) -> None:
    """Wait until something holds, and let the clock run ahead while nothing happens."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            with suppress(TimeoutError):
                await person.until(condition, timeout=0.3)
                return
            person.stage.clock.advance(SOME_SECONDS)


async def answered_later(person: Person, message: Message) -> VisibleMessage:
    """Wait for the answer to a message, and let the clock run ahead while nothing happens."""
    await let_time_pass(person, lambda: person.answer_to(message) is not None)
    return await person.answered(message)


async def assert_nothing_left(person: Person, *, links: int = 0) -> None:
    """Assert that there is no status message, no upload, no file in the spool and no object but
    those of so many links: now, and after everything that was given up has been removed twice.
    """
    stage = person.stage
    await person.until(lambda: not person.status_messages)
    async with asyncio.timeout(PATIENCE):
        while not _is_swept(stage, times=2):
            stage.clock.advance(ONE_SWEEP_LATER)
            # The clock may have moved just before the moment of the next sweep was noted.
            with suppress(TimeoutError):
                await stage.oss.wait_for(partial(_is_swept, stage, times=2), timeout=0.3)

    assert not stage.bucket.uploads
    assert links == len(stage.bucket.objects)
    assert not list((stage.folder / "spool").glob("*"))


def _is_swept(stage: LocalStack, *, times: int) -> bool:
    """Say whether every key that is no link has been deleted so often."""
    asked = {
        str(entry.params["key"])
        for operation in ("PutObject", "InitiateMultipartUpload", "CopyObject")
        for entry in stage.oss.log.of(operation)
    }
    deleted = [
        str(entry.params["key"])
        for entry in stage.oss.log.of("DeleteObject")
        if entry.status == 204
    ]
    given_up = {key for key in asked - set(stage.bucket.objects) if "/probe-" not in key}
    return all(deleted.count(key) >= times for key in given_up)
