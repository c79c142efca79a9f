"""Faults at every step of a file's way: one right link in the end, and nothing left behind."""

import os
from dataclasses import dataclass, replace
from typing import Any

import pytest

from bot.demo.local_stack import LocalStack
from bot.sandbox.faults import Effect, Fault
from tests.conversations.fault_causes import NO_UPLOAD, THROTTLED
from tests.conversations.leftovers import (
    assert_nothing_left,
    let_time_pass,
)
from tests.conversations.people import Person, fetch, link_of

pytestmark = pytest.mark.usefixtures("impatient")

MIB = 1 << 20
SMALL = os.urandom(30_000)
LARGE = os.urandom(7 * MIB // 2)
"""Four parts."""

ANSWER = {"disable_notification": "False"}
CARD = {"disable_notification": "True"}
UNAVAILABLE = "Bad Request: file is temporarily unavailable"


def at(
    operation: str, effect: Effect, times: int = 1, skip: int = 0, **args: str | int | float
) -> Fault:
    """Return a line of the script."""
    return Fault(operation, effect, times, skip, args=args)


@dataclass(frozen=True)
class Case:
    """A fault and a file. `down` is the bandwidth of the download, bytes per second; `copies` how
    often the answer is there in the end; `is_rare` is only for the long run.
    """

    fault: Fault
    content: bytes = SMALL
    down: float | None = None
    ranges: bool = True
    copies: int = 1
    is_rare: bool = False

    def __str__(self) -> str:
        extras = [
            f"{name}={value}" for name, value in {**self.fault.where, **self.fault.args}.items()
        ]
        words = [self.fault.operation, self.fault.effect.value, f"x{self.fault.times}", *extras]
        return " ".join([*words, "" if self.ranges else "without ranges"]).strip()


def rarely(case: Case) -> Case:
    """Return a case for the long run: another one takes nearly the same way."""
    return replace(case, is_rare=True)


SHORT = {(Effect.RESET, 0, True), (Effect.TRUNCATE, 20_000, False), (Effect.TRUNCATE, MIB, True)}
"""Of the downloads, those that are not for the long run."""


TELEGRAM = [
    # The answer: certainly not placed, perhaps placed, placed without our hearing of it.
    Case(Fault("sendMessage", Effect.ERROR, where=ANSWER, args={"retry_after": 7})),
    rarely(Case(Fault("sendMessage", Effect.ERROR, 3, where=ANSWER, args={"retry_after": 2}))),
    rarely(Case(Fault("sendMessage", Effect.HTML, where=ANSWER))),
    rarely(Case(Fault("sendMessage", Effect.ERROR, where=ANSWER, args={"status": 500}))),
    Case(Fault("sendMessage", Effect.RESET, where=ANSWER)),
    Case(Fault("sendMessage", Effect.LOST, where=ANSWER), copies=2),
    rarely(Case(Fault("sendMessage", Effect.LOST, 0, where=ANSWER), copies=2)),
    Case(Fault("sendMessage", Effect.LATE, where=ANSWER, args={"seconds": 0.5})),
    # The status message: nothing depends on it.
    Case(Fault("sendMessage", Effect.ERROR, where=CARD, args={"retry_after": 7}), LARGE, 3e6),
    rarely(Case(Fault("sendMessage", Effect.RESET, where=CARD), LARGE, 3e6)),
    rarely(Case(at("editMessageText", Effect.LATE, seconds=1.0), LARGE, 3e6)),
    Case(at("editMessageText", Effect.HTML), LARGE, 3e6),
    rarely(Case(at("editMessageText", Effect.ERROR, retry_after=7), LARGE, 3e6)),
    rarely(Case(at("editMessageText", Effect.LOST, 2), LARGE, 3e6)),
    rarely(Case(at("deleteMessage", Effect.HTML), LARGE, 3e6)),
    Case(at("deleteMessage", Effect.LOST), LARGE, 3e6),
    # Intake.
    Case(at("getUpdates", Effect.TWICE)),
    rarely(Case(at("getUpdates", Effect.HTML))),
    rarely(Case(at("getUpdates", Effect.LOST))),
    Case(at("getUpdates", Effect.ERROR, status=409)),
    # The download.
    Case(at("getFile", Effect.RESET)),
    rarely(Case(at("getFile", Effect.ERROR, retry_after=3))),
    Case(at("getFile", Effect.ERROR, status=400, description=UNAVAILABLE)),
    Case(at("file", Effect.ERROR, status=404)),
    rarely(Case(at("file", Effect.HTML))),
    *(
        Case(
            at("file", effect, 2, bytes=count),
            content,
            ranges=ranges,
            is_rare=(effect, count, ranges) not in SHORT,
        )
        for effect in (Effect.TRUNCATE, Effect.RESET)
        for content, count in ((SMALL, 0), (SMALL, 20_000), (LARGE, MIB))
        for ranges in (True, False)
    ),
]  # fmt: skip

OSS = [
    # One request.
    Case(at("PutObject", Effect.ERROR, 3, status=503)),
    rarely(Case(Fault("PutObject", Effect.ERROR, 3, args=THROTTLED))),
    rarely(Case(at("PutObject", Effect.RESET, bytes=10_000))),
    Case(at("PutObject", Effect.LOST)),
    rarely(Case(at("PutObject", Effect.LATE, seconds=0.5))),
    Case(at("PutObject", Effect.WRONG_CRC)),
    # Several.
    rarely(Case(at("InitiateMultipartUpload", Effect.ERROR, 3, status=503), LARGE)),
    rarely(Case(at("InitiateMultipartUpload", Effect.RESET), LARGE)),
    Case(at("InitiateMultipartUpload", Effect.LOST, 2), LARGE),
    rarely(Case(at("UploadPart", Effect.HTML, 5), LARGE)),
    Case(Fault("UploadPart", Effect.ERROR, 5, args=THROTTLED), LARGE),
    Case(at("UploadPart", Effect.RESET, 3, bytes=MIB // 2), LARGE),
    Case(at("UploadPart", Effect.STALL, 2), LARGE),
    rarely(Case(at("UploadPart", Effect.LOST, 2), LARGE)),
    rarely(Case(at("UploadPart", Effect.WRONG_CRC, 2), LARGE)),
    Case(Fault("UploadPart", Effect.ERROR, skip=2, args=NO_UPLOAD), LARGE),
    rarely(Case(at("CompleteMultipartUpload", Effect.ERROR, 3, status=503), LARGE)),
    rarely(Case(at("CompleteMultipartUpload", Effect.RESET), LARGE)),
    Case(at("CompleteMultipartUpload", Effect.LOST), LARGE),
    rarely(Case(at("CompleteMultipartUpload", Effect.LATE, seconds=1.0), LARGE)),
    Case(at("CompleteMultipartUpload", Effect.WRONG_CRC), LARGE),
    rarely(Case(Fault("CompleteMultipartUpload", Effect.ERROR, args=NO_UPLOAD), LARGE)),
    Case(Fault("CompleteMultipartUpload", Effect.ERROR, 3, args=NO_UPLOAD), LARGE),
    Case(at("HeadObject", Effect.RESET), LARGE),
]


def _params(cases: list[Case]) -> list[Any]:
    return [pytest.param(c, marks=[pytest.mark.long] * c.is_rare) for c in cases]


@pytest.mark.parametrize("case", _params(TELEGRAM), ids=str)
async def test_faults_of_telegram(stage: LocalStack, alice: Person, case: Case) -> None:
    """After any single fault of Telegram the right link comes once; twice only where an answer to
    the answer was lost.
    """
    fault = stage.telegram.faults.add(replace(case.fault))
    stage.telegram.shape.down_total = case.down
    stage.telegram.ranges = case.ranges
    await _relay(alice, case)

    assert fault.hits >= max(1, case.fault.times)


@pytest.mark.parametrize("case", _params(OSS), ids=str)
async def test_faults_of_the_storage(stage: LocalStack, case: Case) -> None:
    """After any single fault of OSS the right link comes, and it serves the bytes
    that were sent.
    """
    # A block of a stalled connection is waited for a quarter of a second.
    stage.more["RELAY_TRANSFER__MINIMUM_RATE"] = "1MB"
    alice = Person(stage)
    await stage.start_bot(alice.id)
    fault = stage.oss.faults.add(replace(case.fault))
    if case.fault.operation == "HeadObject":
        # HeadObject is called only after a lost answer.
        stage.oss.faults.add(at("CompleteMultipartUpload", Effect.LOST))
    await _relay(alice, case)

    assert fault.hits == case.fault.times


async def _relay(alice: Person, case: Case) -> None:
    message = await alice.send(case.content)
    await let_time_pass(
        alice, lambda: len(alice.said) >= case.copies and not alice.status_messages
    )
    opened = [(await fetch(link_of(answer)))[:2] for answer in alice.said]

    assert [(200, case.content)] * case.copies == opened
    await assert_nothing_left(alice, links=1)
    assert [message.id] * case.copies == [answer.reply_to for answer in alice.said]
