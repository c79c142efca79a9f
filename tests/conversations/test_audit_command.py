"""The command `relay-bot audit`, as scripts and people use it."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bot.demo.local_stack import BUCKET, LocalStack
from tests.conversations.foreign_objects import initiate, put
from tests.conversations.many_links import add_links
from tests.conversations.people import Person
from tests.fakes.ledger import place_of
from tests.kill.process import Running, relay_bot

LIFETIME = timedelta(hours=23, minutes=55)


async def _command(stage: LocalStack, *arguments: str) -> tuple[int, Running]:
    async with relay_bot(stage, "audit", *arguments) as audit:
        return await audit.end(), audit


async def test_findings_as_json(stage: LocalStack, alice: Person) -> None:
    """The command tells all findings as JSON, one a line, works beside a running bot, removes
    what it may, and says by its exit code whether anything was wrong.
    """
    await add_links(stage, 1, stage.clock.now() + LIFETIME)
    (missing,) = stage.bucket.objects
    stage.bucket.objects.clear()
    unknown = put(stage, "old", age=timedelta(hours=25))
    orphan = initiate(stage, "lost", age=timedelta(minutes=2))
    stage.bucket.acl = "public-read"
    found, first = await _command(stage, "--json")
    fixed, second = await _command(stage, "--json", "--fix")
    stage.bucket.acl = "private"
    clean, third = await _command(stage)
    findings = [json.loads(line) for line in first.out]

    assert (found, fixed, clean) == (1, 1, 0)
    assert all(finding.keys() == {"kind", "subject", "detail", "fixed"} for finding in findings)
    assert {
        "missing_object": missing,
        "unknown_object": unknown,
        "orphan_upload": orphan,
        "anonymous_listing": BUCKET,
    } == {finding["kind"]: finding["subject"] for finding in findings}
    assert not any(finding["fixed"] for finding in findings)
    assert {"anonymous_listing"} == {
        finding["kind"] for finding in map(json.loads, second.out) if not finding["fixed"]
    }
    assert third.out == ["audit: nothing found\n"]
    assert (await alice.answered(await alice.write("/start"))).text
    _assert_clean(stage, first, second, third)


async def test_findings_as_a_table(stage: LocalStack, alice: Person) -> None:
    """For people the findings are a table, with every key in full."""
    await alice.answered(await alice.write("/start"))
    orphan = initiate(stage, "lost", age=timedelta(minutes=2))
    code, audit = await _command(stage)

    assert code == 1
    assert "orphan_upload" in audit.text
    assert orphan in re.sub(r"[│\s]", "", audit.text)
    _assert_clean(stage, audit)


def _lose_ledger(stage: LocalStack) -> None:
    place = place_of(stage)
    if isinstance(place, Path):
        place.unlink()
        return
    # Every server has one of this name, in which programs keep nothing.
    stage.more["RELAY_LEDGER__URL"] = urlsplit(place.url)._replace(path="/postgres").geturl()


@pytest.mark.parametrize(
    ("break_it", "code", "said"),
    [
        (_lose_ledger, 1, "there is no ledger"),
        (lambda stage: stage.more.update({"RELAY_LINK__LIFETIME": "25h"}), 2, "link.lifetime"),
    ],
    ids=["no ledger", "bad settings"],
)
async def test_mistakes_of_the_operator(
    stage: LocalStack, break_it: Callable[[LocalStack], None], code: int, said: str
) -> None:
    """Each mistake of the operator is told in a line, without a traceback."""
    break_it(stage)
    ended, audit = await _command(stage)

    assert code == ended
    assert said in "".join(audit.errors)
    assert audit.out == []
    assert "Traceback" not in audit.text


async def test_without_oss(stage: LocalStack, alice: Person) -> None:
    """An OSS that cannot be reached is no clean result."""
    await alice.answered(await alice.write("/start"))
    await stage.stop_bot()
    stage.more["RELAY_OSS__ENDPOINT"] = "http://127.0.0.1:9"
    code, audit = await _command(stage, "--json")

    assert (code, audit.out) == (1, [])
    assert audit.errors[-1].startswith("relay-bot: ")
    assert "Traceback" not in audit.text


def _assert_clean(stage: LocalStack, *audits: Running) -> None:
    for audit in audits:
        assert audit.errors == []
        assert stage.telegram.token not in audit.text
        assert stage.oss.access_key_secret not in audit.text
