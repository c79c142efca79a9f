"""What both stand-ins share: start, stop, port, and control calls."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from bot.sandbox.faults import Effect, Fault
from bot.sandbox.oss import OssStandIn
from bot.sandbox.oss.remote import RemoteOss
from bot.sandbox.remote import ControlRefused, RemoteStandIn
from bot.sandbox.server import LoopbackServer
from bot.sandbox.telegram import RemoteTelegram, TelegramStandIn


@dataclass
class Half:
    """A running stand-in, its client, and a request that it logs as `operation`."""

    server: LoopbackServer
    remote: RemoteStandIn
    path: str
    operation: str


@pytest.fixture(params=["telegram", "oss"])
async def half(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Half]:
    """Each stand-in in turn."""
    if request.param == "oss":
        async with OssStandIn(tmp_path) as oss, RemoteOss(oss.control_url) as remote_oss:
            yield Half(oss, remote_oss, "/", "ListBuckets")
        return
    async with TelegramStandIn(tmp_path) as tg, RemoteTelegram(tg.control_url) as remote:
        yield Half(tg, remote, f"/bot{tg.token}/getMe", "getMe")


async def ask(half: Half) -> int:
    """Send the request and return the HTTP status."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{half.server.port}{half.path}") as answer,
    ):
        return answer.status


async def test_an_outage_keeps_port_and_log(half: Half) -> None:
    """A stopped server refuses connections; started again, it answers at the same port."""
    await ask(half)
    port = half.server.port
    await half.server.stop()
    await half.server.stop()
    with pytest.raises(aiohttp.ClientConnectorError):
        await ask(half)
    await half.server.start()
    await ask(half)

    assert port == half.server.port
    assert len(half.server.log.of(half.operation)) == 2


async def test_a_port_that_is_taken(half: Half, tmp_path: Path) -> None:
    """A second server at the same port does not start."""
    kind = OssStandIn if isinstance(half.server, OssStandIn) else TelegramStandIn
    second = kind(tmp_path / "second", port=half.server.port)
    with pytest.raises(OSError, match="in use"):
        await second.start()
    await second.stop()


async def test_shared_verbs(half: Half) -> None:
    """Log, faults and shape can be read and changed from another process."""
    await half.remote.add_fault(Fault(half.operation, Effect.HTML, args={"status": 502}))
    first, second = await ask(half), await ask(half)
    [fault] = await half.remote.faults()
    await half.remote.clear_faults()
    log = await half.remote.log(half.operation, since=1, at_least=1)
    shape = await half.remote.set_shape(latency=0.001)
    with pytest.raises(ControlRefused, match="no setting 'speed'"):
        await half.remote.set_shape(speed=1.0)

    assert (first, fault["hits"], await half.remote.faults()) == (502, 1, [])
    assert [entry["status"] for entry in log] == [second]
    assert (shape["latency"], half.server.shape.latency) == (0.001, 0.001)


@pytest.mark.parametrize(
    ("verb", "body", "status"),
    [("log", "", 200), ("log", "[]", 400), ("log", "{", 400), ("dance", "{}", 404)],
)
async def test_bad_calls(half: Half, verb: str, body: str, status: int) -> None:
    """Wrong arguments and unknown verbs are answered with a sentence and not logged."""
    url = f"{half.server.control_url}{half.remote.prefix}{verb}"
    async with aiohttp.ClientSession() as session, session.post(url, data=body) as answer:
        document = await answer.json()

    assert (answer.status, "error" in document) == (status, status != 200)
    assert len(half.server.log) == 0


FOREIGN = {
    "another host": {"Host": "evil.example.com"},
    "another site": {"Origin": "http://evil.example.com"},
    "another port": {"Origin": "http://127.0.0.1:1"},
    "a sandboxed frame": {"Origin": "null"},
}


async def control(half: Half, method: str, headers: dict[str, str]) -> int:
    """Call a verb and return the HTTP status."""
    url = f"{half.server.control_url}{half.remote.prefix}log"
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url, headers=headers) as answer,
    ):
        return answer.status


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
async def test_pages_of_other_origins(half: Half, headers: dict[str, str]) -> None:
    """A web page of another origin, also one with a DNS name that leads here, controls nothing."""
    assert await control(half, "POST", headers) == 404


async def test_pages_of_the_stand_in(half: Half) -> None:
    """A page of the server itself may control it, but not by a request without an Origin."""
    own = {"Origin": half.server.control_url}

    assert await control(half, "POST", own) == 200
    assert await control(half, "GET", {}) == 405
