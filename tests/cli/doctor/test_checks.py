"""The doctor in a healthy world, and in worlds with one thing wrong."""

import inspect
from pathlib import Path

import pytest

from bot.cli.common import Row, Verdict, worst
from bot.cli.doctor.command import examine
from bot.cli.doctor.store import endpoint_rows
from bot.demo.local_stack import LocalStack
from tests.cli.doctor.faulty_setups import WORLDS, World, make_healthy


async def diagnose(stage: LocalStack, world: World | None = None) -> list[Row]:
    """Examine the stage with an operator's variables."""
    environ = stage.variables(1) | (dict(world.more) | dict(world.environ) if world else {})
    return await examine(None, environ, clock=stage.clock)


async def test_healthy(stage: LocalStack) -> None:
    """In a healthy setup every row says so, and nothing is left behind."""
    await make_healthy(stage)
    rows = await diagnose(stage)

    assert {row.name: row.verdict for row in rows if row.verdict is not Verdict.OK} == {}
    assert (len(rows), len({row.name for row in rows})) == (24, 24)
    assert (stage.bucket.objects, stage.bucket.uploads) == ({}, {})


async def test_healthy_beside_a_bot(stage: LocalStack) -> None:
    """The examination does not disturb a running bot, and reads its ledger without a lock."""
    await make_healthy(stage)
    await stage.start_bot(1)
    rows = await diagnose(stage)

    assert worst(rows) is Verdict.OK
    assert "whole, schema" in next(row.meaning for row in rows if row.name == "ledger")


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
async def test_one_thing_wrong(
    stage: LocalStack, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The right rows say so, with the right remedy, and no other row complains."""
    monkeypatch.chdir(stage.folder)
    await make_healthy(stage)
    for name, value in world.environ.items():
        monkeypatch.setenv(name, value)
    undo = world.spoil(stage)
    if inspect.isawaitable(undo):
        undo = await undo
    try:
        rows = await diagnose(stage, world)
    finally:
        if callable(undo):
            undo()
    found = {row.name: row.remedy for row in rows if row.verdict is not Verdict.OK}

    assert found.keys() == world.found.keys()
    assert [n for n, words in world.found.items() if words not in found[n]] == []
    assert worst(rows) is (Verdict.WARNING if world.warns else Verdict.BROKEN)
    assert (stage.bucket.uploads, list(stage.bucket.objects)) == ({}, [])


def test_there_are_enough_worlds() -> None:
    """Twenty worlds at the least, each of its own name."""
    assert len({world.name for world in WORLDS}) >= 20


@pytest.mark.parametrize(
    ("variables", "rows"),
    [
        ({}, {"link domain": Verdict.OK}),
        ({"RELAY_LINK__DOMAIN": "https://f.example"}, {"link domain": Verdict.OK}),
        (
            {"RELAY_OSS__UPLOAD_ENDPOINT": "oss-cn-beijing-internal.aliyuncs.com"},
            {"OSS endpoint": Verdict.BROKEN, "link domain": Verdict.OK},
        ),
        (
            {"RELAY_OSS__UPLOAD_ENDPOINT": "oss-accelerate.aliyuncs.com"},
            {"link domain": Verdict.OK},
        ),
        ({"RELAY_OSS__REGION": "cn-hangzhou"}, {"link domain": Verdict.WARNING}),
    ],
)
def test_endpoints(tmp_path: Path, variables: dict[str, str], rows: dict[str, Verdict]) -> None:
    """Endpoints are judged as they are written, before anything is sent."""
    stage = LocalStack(tmp_path)
    stage.more = {"RELAY_OSS__ENDPOINT": "", "RELAY_OSS__PATH_STYLE": "", **variables}

    assert {row.name: row.verdict for row in endpoint_rows(stage.settings(1))} == rows
