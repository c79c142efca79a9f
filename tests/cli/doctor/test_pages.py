"""What the doctor finds at the address of the pages."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from bot.cli.common import Row, Verdict
from bot.cli.doctor.telegram import examine_pages
from bot.core.ports.pages import bot_mark
from bot.demo.local_stack import LocalStack
from bot.sandbox.faults import Effect, Fault
from tests.cli.shell import type_in
from tests.conversations.people import Person, link_of
from tests.conversations.test_pages import by_pages
from tests.conversations.test_webhook import free_port


@pytest.fixture(autouse=True)
def _paged(stage: LocalStack) -> None:
    stage.more |= by_pages(free_port())


async def row(stage: LocalStack) -> Row:
    """Return the row about the pages."""
    (found,) = await examine_pages(stage.settings(1), stage.clock)
    return found


@asynccontextmanager
async def elsewhere(
    stage: LocalStack, text: str, status: int = 200, tls: ssl.SSLContext | None = None
) -> AsyncIterator[None]:
    """Let `web.url` lead to a server that answers like this."""

    async def answer(request: web.BaseRequest) -> web.Response:
        del request
        return web.Response(text=text, status=status)

    port = free_port()
    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls).start()
    stage.more["RELAY_WEB__URL"] = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    try:
        yield
    finally:
        await runner.cleanup()


async def test_before_the_bot_runs(stage: LocalStack) -> None:
    """The way to its port can be looked at, because the doctor answers there meanwhile."""
    found = await row(stage)

    assert (found.verdict, "no page is open" in found.meaning) == (Verdict.OK, True)


async def test_live_page(stage: LocalStack) -> None:
    """A page, its preview and its file are fetched beside the bot, and nothing is counted."""
    alice = Person(stage)
    await stage.start_bot(alice.id)
    answer = await alice.answered(await alice.send(b"x", "100% 报告.pdf"))
    found = await row(stage)
    done = await type_in(stage, "doctor", "--json")
    await stage.stop_bot()
    listed = await type_in(stage, "links", "--json")

    assert (found.verdict, "nothing was counted" in found.meaning) == (Verdict.OK, True)
    assert link_of(answer).rpartition("/")[2] not in done.out + done.err
    assert listed.json["downloads"] == 0


async def test_file_is_refused(stage: LocalStack) -> None:
    """A page whose file cannot be had is broken."""
    alice = Person(stage)
    await stage.start_bot(alice.id)
    await alice.answered(await alice.send(b"x"))
    stage.oss.faults.add(Fault("HeadObject", Effect.ERROR, times=0, args={"status": 403}))
    found = await row(stage)

    assert (found.verdict, "OSS does not give" in found.meaning) == (Verdict.BROKEN, True)


@pytest.mark.parametrize(
    ("text", "status", "words"),
    [
        ("welcome", 200, "something else than this bot"),
        (bot_mark(b"9:another-token"), 200, "something else than this bot"),
        ("", 404, "HTTP 404"),
        ("", 502, "does not reach the bot"),
    ],
)
async def test_leads_elsewhere(stage: LocalStack, text: str, status: int, words: str) -> None:
    """To a site, another bot, or a proxy without one."""
    async with elsewhere(stage, text, status):
        found = await row(stage)

    assert (found.verdict, words in found.meaning, bool(found.remedy)) == (
        Verdict.BROKEN,
        True,
        True,
    )


async def test_leads_nowhere(stage: LocalStack) -> None:
    """Nothing listens there."""
    stage.more["RELAY_WEB__URL"] = f"http://127.0.0.1:{free_port()}"
    found = await row(stage)

    assert (found.verdict, "cannot be reached" in found.meaning) == (Verdict.BROKEN, True)


async def test_certificate(
    stage: LocalStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is not trusted is broken; without HSTS there is a warning."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    await asyncio.to_thread(make_certificate, certificate, key)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    async with elsewhere(stage, bot_mark(stage.telegram.token.encode()), tls=tls):
        distrusted = await row(stage)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        trusted = await row(stage)

    assert (distrusted.verdict, "certificate" in distrusted.meaning) == (Verdict.BROKEN, True)
    assert (trusted.verdict, "Strict-Transport-Security" in trusted.remedy) == (
        Verdict.WARNING,
        True,
    )


def make_certificate(certificate: Path, key: Path) -> None:
    """Make a certificate for the loopback."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=loopback"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
