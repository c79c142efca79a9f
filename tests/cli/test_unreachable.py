"""Commands of an operator where OSS answers, and the address for the public does not."""

import json
import socket
from typing import Any

import pytest

from bot.demo.local_stack import LocalStack
from tests.cli.shell import type_in

NOBODY = "127.0.0.1:9"
UNKNOWN = "nowhere.invalid"


def _knows_no_name(host: str, *args: Any, **more: Any) -> Any:
    """Resolve as a DNS does that does not know the name; tests ask none."""
    if host == UNKNOWN:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return _resolve(host, *args, **more)


_resolve = socket.getaddrinfo


@pytest.fixture(params=["domain", "name", "endpoint"])
def unreachable(
    stage: LocalStack, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Spoil the address for the public, and only that; return how it is named."""
    monkeypatch.setattr(socket, "getaddrinfo", _knows_no_name)
    stage.more |= {
        "domain": {"RELAY_LINK__DOMAIN": f"http://{NOBODY}"},
        "name": {"RELAY_LINK__DOMAIN": f"https://{UNKNOWN}"},
        "endpoint": {
            "RELAY_OSS__UPLOAD_ENDPOINT": stage.oss.endpoint,
            "RELAY_OSS__ENDPOINT": f"http://{NOBODY}",
        },
    }[request.param]
    names = {"domain": f"link.domain {NOBODY}", "name": f"link.domain {UNKNOWN}"}
    return names.get(request.param, NOBODY)


async def test_send(stage: LocalStack, unreachable: str) -> None:
    """One line says that it cannot be checked whether links are private; nothing is sent."""
    path = stage.folder / "a.txt"
    path.write_bytes(b"aaa")
    done = await type_in(stage, "send", str(path))
    (line,) = [line for line in done.err.splitlines() if not line.startswith("note: ")]

    assert (done.code, done.out) == (1, "")
    assert line.startswith(f"relay-bot: {unreachable}: ")
    assert stage.bucket.objects == {}


async def test_audit(stage: LocalStack, unreachable: str) -> None:
    """One line says what could not be checked."""
    await stage.start_bot(1)
    await stage.stop_bot()
    done = await type_in(stage, "audit")

    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"relay-bot: {unreachable}: ")
    assert len(done.err.splitlines()) == 1


async def test_doctor(stage: LocalStack, unreachable: str) -> None:
    """The unreachable address is a row like others, with what to check."""
    done = await type_in(stage, "doctor", "--json")
    rows = [json.loads(line) for line in done.out.splitlines()]
    (row,) = [row for row in rows if row["name"] == "OSS"]

    assert (done.code, row["verdict"], done.err) == (1, "broken", "")
    assert row["meaning"].startswith(f"{unreachable}: ")
    assert "link.domain" in row["remedy"]


async def test_run(stage: LocalStack, unreachable: str, caplog: pytest.LogCaptureFixture) -> None:
    """The bot starts, and one line says what it could not check."""
    await stage.start_bot(1)
    await stage.stop_bot()
    logged = caplog.text
    (line,) = [line for line in logged.splitlines() if "cannot check the bucket" in line]

    assert f"{unreachable}: " in line
    assert "Traceback" not in logged
