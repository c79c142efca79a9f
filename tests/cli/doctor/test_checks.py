"""The doctor in a healthy world, and in worlds with one thing wrong."""

import asyncio
import inspect
from pathlib import Path

import pytest

from bot.cli.common import Row, Verdict, worst
from bot.cli.doctor import examine
from bot.cli.doctor.store import endpoint_rows, failure_row
from bot.core.errors import (
    CertificateRefused,
    ObjectArchived,
    ObjectRetained,
    PublicAccessBlocked,
    RefererRefused,
    StoreError,
    StoreThrottled,
    StoreUnavailable,
)
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
    assert (len(rows), len({row.name for row in rows})) == (26, 26)
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
    expected = Verdict.WARNING if world.warns else Verdict.BROKEN
    assert worst(rows) is (Verdict.OK if world.fine else expected)
    assert (stage.bucket.uploads, len(stage.bucket.objects)) == ({}, world.leaves)


PAGES = {
    "text/html": b"<html>This domain is for sale</html>",
    "application/xml": b"<ListAllMyBucketsResult></ListAllMyBucketsResult>",
}


@pytest.mark.parametrize("kind", PAGES)
async def test_page_at_the_link_domain(stage: LocalStack, kind: str) -> None:
    """For each page with 200 at link.domain the finding names that setting, and no exposure
    of the bucket.
    """
    await make_healthy(stage)
    body = PAGES[kind]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        stage.more["RELAY_LINK__DOMAIN"] = f"http://127.0.0.1:{port}"
        rows = await diagnose(stage)

    assert {row.name: row.remedy for row in rows if row.verdict is not Verdict.OK} == {
        "round trip": "check link.domain and oss.proxy: something else answers there"
    }


async def test_storage_class_that_is_not_heeded(stage: LocalStack) -> None:
    """A class that OSS, or something in between, puts in place of Standard is warned of."""
    await make_healthy(stage)
    stage.oss.world.storage_class = "IA"
    rows = {row.name: row for row in await diagnose(stage)}

    assert rows["storage class"].verdict is Verdict.WARNING
    assert "new objects are IA" in rows["storage class"].meaning


@pytest.mark.parametrize(
    ("error", "name", "words"),
    [
        (ObjectRetained("FileImmutable"), "retention", "WORM"),
        (ObjectArchived("InvalidObjectState"), "storage class", "class of new objects"),
        (RefererRefused("AccessDenied"), "referer whitelist", "empty Referer"),
        (PublicAccessBlocked("AccessDenied"), "public access", "relay-bot setup"),
        (CertificateRefused("link.domain f.example"), "certificate", "link.domain"),
        (StoreThrottled("SlowDown"), "OSS", "slow down"),
        (StoreUnavailable("503"), "OSS", "network"),
    ],
)
def test_failures(error: StoreError, name: str, words: str) -> None:
    """Each refusal has its own remedy, and keeps OSS's words."""
    row = failure_row(error)

    assert (row.name, row.verdict, row.meaning) == (name, Verdict.BROKEN, str(error))
    assert words in row.remedy


def test_there_are_enough_worlds() -> None:
    """Twenty worlds at the least, each of its own name."""
    assert len({world.name for world in WORLDS}) >= 20


@pytest.mark.parametrize(
    ("variables", "rows"),
    [
        ({}, {"link domain": Verdict.OK}),
        ({"RELAY_LINK__DOMAIN": "https://f.example"}, {"link domain": Verdict.OK}),
        (
            {"RELAY_LINK__DOMAIN": "relay-sandbox.oss-cn-hongkong.aliyuncs.com"},
            {"link domain": Verdict.WARNING},
        ),
        (
            {"RELAY_OSS__ENDPOINT": "oss-cn-hongkong-internal.aliyuncs.com"},
            {"OSS endpoint": Verdict.BROKEN, "link domain": Verdict.OK},
        ),
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
    unset = ("RELAY_OSS__ENDPOINT", "RELAY_OSS__PATH_STYLE", "RELAY_TELEGRAM__BASE_URL")
    stage.more = dict.fromkeys(unset, "") | variables

    assert {row.name: row.verdict for row in endpoint_rows(stage.settings(1))} == rows
