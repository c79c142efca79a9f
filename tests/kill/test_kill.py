"""`kill -9` at ten points of a relay of 200 MB, each followed by a restart."""

import hashlib
import os
import signal
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.demo.local_stack import LocalStack
from bot.sandbox.faults import Effect, Fault
from tests.conversations.people import link_of
from tests.kill.kill_scenario import BLOCK, KillScenario, digest_of, part_numbers, stored_parts

SIZE = 200_000_000
PARTS = 24
"""Of 8 MiB each."""


@dataclass(frozen=True)
class Large:
    """The file that is relayed again and again."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class KillPoint:
    """When the process dies: `at` is for `kill_points.install`. Without it the test kills when
    `seen` holds, and `held` (operation, effect, how many pass before) keeps it from going further.
    OSS has one of `parts` parts by then.
    """

    name: str
    at: str = ""
    seen: Callable[[LocalStack], bool] = lambda _: False
    held: tuple[str, Effect, int] | None = None
    parts: range = range(1)
    answers: int = 1


FEW = 3
ALL = range(PARTS, PARTS + 1)


def _few_parts_stored(stage: LocalStack) -> bool:
    return sum(request.status == 200 for request in stage.oss.log.of("UploadPart")) == FEW


def _completed(stage: LocalStack) -> bool:
    return any(stored.size == SIZE for stored in stage.bucket.objects.values())


KILL_POINTS = [
    KillPoint("accepted, offset not confirmed", at="after:SqlJobs.accept:1"),
    KillPoint("before initiate", at="before:OssBucket.initiate:1"),
    KillPoint("initiated, upload id not in the ledger", at="before:SqlObjects.initiated:1"),
    KillPoint("upload id in the ledger, before part 1", at="after:SqlObjects.initiated:1"),
    KillPoint(
        "after a few parts",
        seen=_few_parts_stored,
        held=("UploadPart", Effect.STALL, FEW),
        parts=range(FEW, FEW + 1),
    ),
    KillPoint("after most parts", at="after:OssBucket.upload_part:19", parts=range(17, PARTS)),
    KillPoint("before complete", at="before:OssBucket.complete:1", parts=ALL),
    KillPoint(
        "complete applied, answer not received",
        seen=_completed,
        held=("CompleteMultipartUpload", Effect.LATE, 0),
        parts=ALL,
    ),
    KillPoint("finished, answer not begun", at="before:SqlAnswers.begin:1", parts=ALL),
    # It cannot be known whether the message was placed, and silence would be worse.
    KillPoint("answer placed, not recorded", at="before:SqlAnswers.sent:1", parts=ALL, answers=2),
]


@pytest.fixture(scope="module")
def large() -> Iterator[Large]:
    """Random bytes on disk, gone after this module; pytest would keep them for days."""
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.bin"
        with path.open("wb") as file:
            for start in range(0, SIZE, BLOCK):
                block = os.urandom(min(BLOCK, SIZE - start))
                digest.update(block)
                file.write(block)
        yield Large(path, digest.hexdigest())


@pytest.fixture
async def scenario(large: Large) -> AsyncIterator[KillScenario]:
    """A stage with a Bot API server in local mode, on the disk of the file."""
    with tempfile.TemporaryDirectory(dir=large.path.parent) as folder:
        async with LocalStack(Path(folder), local=True) as stage:
            # Few enough that most parts are not under way when the first ones have arrived.
            stage.more["RELAY_TRANSFER__CONNECTIONS_PER_FILE"] = "3"
            yield KillScenario(stage)


@pytest.mark.parametrize(
    "kill_point", KILL_POINTS, ids=[kill_point.name for kill_point in KILL_POINTS]
)
async def test_killed_and_restarted(
    scenario: KillScenario, large: Large, kill_point: KillPoint
) -> None:
    """After the restart there is one answer with the right bytes, only missing parts were sent
    again, and nothing is left behind.
    """
    stage, alice = scenario.stage, scenario.alice
    await _die(scenario, large, kill_point)
    died = len(scenario.part_requests)
    async with scenario.bot() as bot:
        await alice.until(
            lambda: len(alice.said) >= kill_point.answers and not alice.status_messages
        )
        await stage.oss.wait_for(lambda: not stage.bucket.uploads)
        code, _ = await bot.stop()
    stored = stored_parts(scenario.part_requests[:died])
    sent_again = part_numbers(scenario.part_requests[died:])
    print(f"{kill_point.name}: {len(stored)} of {PARTS} before, {sent_again.total()} after")  # noqa: T201 -- shown by `pytest -s`.
    digests = {await digest_of(link_of(answer)) for answer in alice.said}
    await scenario.settle()

    assert (0, large.sha256) == (code, *digests)
    assert len(stored) in kill_point.parts
    assert Counter(set(range(1, PARTS + 1)) - stored) == sent_again
    assert kill_point.answers == len(alice.said)
    assert {k: v for k, v in scenario.objects().items() if k != "gone"} == {"live": 1}
    assert (len(stage.bucket.objects), stage.bucket.uploads) == (1, {})
    assert scenario.left_on_disk() == []


async def _die(scenario: KillScenario, large: Large, kill_point: KillPoint) -> None:
    stage = scenario.stage
    if kill_point.held is not None:
        operation, effect, skip = kill_point.held
        args = {"seconds": 30.0}
        stage.oss.faults.add(Fault(operation, effect, times=0, skip=skip, args={**args}))
    async with scenario.bot(kill_point=kill_point.at) as bot:
        await scenario.send(large.path)
        if not kill_point.at:
            await stage.oss.wait_for(lambda: kill_point.seen(stage))
            bot.send(signal.SIGKILL)
        assert await bot.end() == -signal.SIGKILL
    stage.oss.faults.clear()
