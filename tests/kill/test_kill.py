"""`kill -9` at ten points of a relay, each followed by a restart: with one process, which relays
200 MB in long tests, and with a front and a worker, of which one dies.
"""

import hashlib
import os
import signal
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.core.ports.runs import Role
from bot.demo.local_stack import LocalStack
from bot.sandbox.faults import Effect, Fault
from tests.conversations.people import link_of
from tests.kill.kill_scenario import BLOCK, KillScenario, digest_of, part_numbers, stored_parts


@dataclass(frozen=True)
class Size:
    """How many bytes are relayed, and in how many parts."""

    total: int
    parts: int


SMALL = Size(32 << 20, parts=8)
LARGE = Size(200_000_000, parts=16)


@dataclass(frozen=True)
class Large:
    """The file that is relayed again and again."""

    path: Path
    sha256: str
    size: Size


@dataclass(frozen=True)
class KillPoint:
    """When the process dies: `at` is for `kill_points.install`. Without it the test kills the
    `victim`, where there are several, when `seen` holds, and `held` (operation, effect, how many
    pass before) keeps it from going further. OSS has one of `parts` parts by then.
    """

    name: str
    at: str = ""
    victim: Role | None = None
    seen: Callable[[LocalStack], bool] = lambda _: False
    held: tuple[str, Effect, int] | None = None
    parts: range = range(1)
    answers: int = 1


FEW = 3


def _few_parts_stored(stage: LocalStack) -> bool:
    return sum(request.status == 200 for request in stage.oss.log.of("UploadPart")) == FEW


def _completed(stage: LocalStack) -> bool:
    return any(stored.size >= SMALL.total for stored in stage.bucket.objects.values())


def _kill_points(parts: int) -> list[KillPoint]:
    """Return when to kill during a relay in so many parts, three at once."""
    most, every = parts - 2, range(parts, parts + 1)
    return [
        KillPoint("accepted, offset not confirmed", at="after:SqlJobs.accept:1"),
        KillPoint("before initiate", at="before:OssBucket.initiate:1"),
        KillPoint("initiated, upload id not in the ledger", at="before:SqlObjects.initiated:1"),
        KillPoint("upload id in the ledger, before part 1", at="after:SqlObjects.initiated:1"),
        KillPoint(
            "after a few parts",
            victim=Role.WORKER,
            seen=_few_parts_stored,
            held=("UploadPart", Effect.STALL, FEW),
            parts=range(FEW, FEW + 1),
        ),
        KillPoint(
            "after most parts",
            at=f"after:OssBucket.upload_part:{most}",
            # The others were on their way.
            parts=range(most - 2, parts + 1),
        ),
        KillPoint("before complete", at="before:OssBucket.complete:1", parts=every),
        KillPoint(
            "complete applied, answer not received",
            victim=Role.WORKER,
            seen=_completed,
            held=("CompleteMultipartUpload", Effect.LATE, 0),
            parts=every,
        ),
        KillPoint("finished, answer not begun", at="before:SqlAnswers.begin:1", parts=every),
        # It cannot be known whether the message was placed, and silence would be worse.
        KillPoint(
            "answer placed, not recorded", at="before:SqlAnswers.sent:1", parts=every, answers=2
        ),
    ]


def _cases(size: Size) -> list[object]:
    return [pytest.param(size, point, id=point.name) for point in _kill_points(size.parts)]


@pytest.fixture(scope="module")
def large(request: pytest.FixtureRequest) -> Iterator[Large]:
    """Random bytes on disk, gone after their tests; pytest would keep them for days."""
    size: Size = request.param
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.bin"
        with path.open("wb") as file:
            for start in range(0, size.total, BLOCK):
                block = os.urandom(min(BLOCK, size.total - start))
                digest.update(block)
                file.write(block)
        yield Large(path, digest.hexdigest(), size)


@pytest.fixture
async def scenario(large: Large, ledgers: str) -> AsyncIterator[KillScenario]:
    """A stage with a Bot API server in local mode, on the disk of the file."""
    with tempfile.TemporaryDirectory(dir=large.path.parent) as folder:
        async with LocalStack(Path(folder), local=True) as stage:
            # Few enough that most parts are not under way when the first ones have arrived.
            stage.more["RELAY_TRANSFER__CONNECTIONS_PER_FILE"] = "3"
            async with KillScenario(stage, ledgers) as scenario:
                yield scenario


@pytest.mark.parametrize(("large", "kill_point"), _cases(SMALL), indirect=["large"])
async def test_killed_and_restarted(
    scenario: KillScenario, large: Large, kill_point: KillPoint
) -> None:
    """After the restart there is one answer with the right bytes, only missing parts were sent
    again, and nothing is left behind.
    """
    await _kill_and_check(scenario, large, kill_point)


# More bytes are more of the same for a ledger.
@pytest.mark.in_a_file
@pytest.mark.long
@pytest.mark.parametrize(("large", "kill_point"), _cases(LARGE), indirect=["large"])
async def test_killed_and_restarted_with_200_mb(
    scenario: KillScenario, large: Large, kill_point: KillPoint
) -> None:
    """The same with the size of the file that the bot is measured by."""
    await _kill_and_check(scenario, large, kill_point)


async def _kill_and_check(scenario: KillScenario, large: Large, kill_point: KillPoint) -> None:
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
    parts = f"{len(stored)} of {large.size.parts} before, {sent_again.total()} after"
    print(f"{kill_point.name}: {parts}")  # noqa: T201 -- shown by `pytest -s`.
    digests = {await digest_of(link_of(answer)) for answer in alice.said}
    await scenario.settle()

    assert (0, large.sha256) == (code, *digests)
    assert len(stored) in kill_point.parts
    assert Counter(set(range(1, large.size.parts + 1)) - stored) == sent_again
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
    async with scenario.bot(kill_point=kill_point.at, victim=kill_point.victim) as bot:
        await scenario.send(large.path)
        if not kill_point.at:
            await stage.oss.wait_for(lambda: kill_point.seen(stage))
            bot.send(signal.SIGKILL)
        assert await bot.end() == -signal.SIGKILL
    stage.oss.faults.clear()
