"""A bot that cannot run says why in a line, and nothing else."""

from collections.abc import Callable

import pytest

from bot.demo.local_stack import BUCKET, LocalStack
from bot.sandbox.oss.policy import parse_policy
from tests.conversations.operators import run
from tests.conversations.people import Person
from tests.fakes.ledger import execute, place_of

READABLE = """{"Version": "1", "Statement": [{"Effect": "Allow", "Principal": ["*"],
    "Action": ["oss:GetObject"], "Resource": ["acs:oss:*:*:%s/*"]}]}"""


def _newer_ledger(stage: LocalStack) -> None:
    execute(place_of(stage), "UPDATE alembic_version SET version_num = '9999'")


def _open_bucket(stage: LocalStack) -> None:
    stage.bucket.policy = parse_policy(READABLE % BUCKET)


def _wrong_token(stage: LocalStack) -> None:
    stage.more["RELAY_TELEGRAM__TOKEN"] = "9:a-token-of-nobody"


@pytest.mark.parametrize(
    ("spoil", "code", "why"),
    [
        (_newer_ledger, 1, "newer version of this program"),
        (_open_bucket, 2, BUCKET),
        (_wrong_token, 2, "Telegram refuses telegram.token"),
    ],
)
async def test_said_in_a_line(
    stage: LocalStack, spoil: Callable[[LocalStack], None], code: int, why: str
) -> None:
    """Each mistake is one line that says what to do; the exit code tells settings (2) from the
    ledger (1).
    """
    spoil(stage)
    ended = await run(stage, "run")

    assert (ended.code, "Traceback" in ended.out + ended.err) == (code, False)
    assert why in ended.out + ended.err
    assert "a-token-of-nobody" not in ended.out + ended.err


async def test_second_bot(stage: LocalStack, alice: Person) -> None:
    """A second bot on one ledger is refused; the first one goes on."""
    ended = await run(stage, "run")

    assert (ended.code, "Traceback" in ended.out + ended.err) == (1, False)
    assert "another bot runs on the ledger" in ended.out + ended.err
    assert (await alice.answered(await alice.write("/start"))).text
