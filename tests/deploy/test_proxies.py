"""The reverse proxies before the webhook and before the pages: nginx and Caddy of Debian, with the
files of `deploy/`.

Only addresses and certificates are replaced. The certificate is one of the test, for the names in
the files; Telegram's stand-in finds this name on the loopback.
"""

import asyncio
import os
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from bot.demo.local_stack import LocalStack
from bot.sandbox.server import LOOPBACK
from tests.conversations.people import Person, fetch, link_of
from tests.conversations.test_pages import by_pages
from tests.conversations.test_webhook import by_webhook, free_port
from tests.deploy.files import read

pytestmark = [pytest.mark.long, pytest.mark.timeout(120)]

NAME = "bot.example.com"
PAGES = "files.example.com"
CONTENT = os.urandom(30_000)
PATIENCE = 30.0
"""Real seconds that a proxy may take for its start."""


@dataclass(frozen=True)
class Place:
    """Where a proxy runs: its folder, its port, that of the bot, and the name it has."""

    folder: Path
    port: int
    bot_port: int
    name: str = NAME

    @property
    def certificate(self) -> Path:
        """The certificate of the proxy, which is its own issuer."""
        return self.folder / "certificate.pem"

    @property
    def key(self) -> Path:
        """The key of the certificate."""
        return self.folder / "key.pem"

    def url(self, path: str) -> str:
        """Return an address as the world sees it."""
        return f"https://{self.name}:{self.port}{path}"


def replaced(text: str, *pairs: tuple[str, str]) -> str:
    """Replace parts of a file, each of which is there."""
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return text


def nginx(place: Place) -> list[str]:
    """Write the configuration around ours, and return the command."""
    folder, is_pages = place.folder, place.name == PAGES
    more = " http2" if is_pages else ""
    ours = replaced(
        read("nginx-pages.conf" if is_pages else "nginx.conf"),
        (f"listen 443 ssl{more};", f"listen {LOOPBACK}:{place.port} ssl{more};"),
        (f"    listen [::]:443 ssl{more};\n", ""),
        (f"/etc/letsencrypt/live/{place.name}/fullchain.pem", str(place.certificate)),
        (f"/etc/letsencrypt/live/{place.name}/privkey.pem", str(place.key)),
        ("127.0.0.1:8080", f"{LOOPBACK}:{place.bot_port}"),
    ).replace("/var/log/nginx/relay-bot-pages.log", str(folder / "pages.log"))
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    around = "".join(f"  {kind}_temp_path {folder / kind};\n" for kind in kinds)
    user = "user root;\n" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user}daemon off;\npid {folder / 'pid'};\nerror_log stderr;\nevents {{}}\n"
        f"http {{\n  access_log {folder / 'access.log'};\n{around}{ours}}}\n",
        encoding="utf-8",
    )
    return ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]


def caddy(place: Place) -> list[str]:
    """Write the configuration around ours, and return the command."""
    file = place.folder / "Caddyfile"
    ours = replaced(
        read("Caddyfile.pages" if place.name == PAGES else "Caddyfile"),
        (
            f"\n{place.name} {{\n",
            f"\n{place.name}:{place.port} {{\n\tbind {LOOPBACK}\n"
            f"\ttls {place.certificate} {place.key}\n",
        ),
        ("127.0.0.1:8080", f"{LOOPBACK}:{place.bot_port}"),
    )
    alone = "{\n\tadmin off\n\tauto_https disable_redirects\n}\n"
    file.write_text(alone + ours, encoding="utf-8")
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(file)]


PROXIES: dict[str, Callable[[Place], list[str]]] = {"nginx": nginx, "caddy": caddy}


class OnLoopback(AbstractResolver):
    """Finds every name here."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the loopback."""
        return [
            ResolveResult(hostname=host, host=LOOPBACK, port=port, family=family, proto=0, flags=0)
        ]

    async def close(self) -> None:
        """Do nothing."""


def make_certificate(place: Place) -> None:
    """Make a certificate for the names in the files."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME},DNS:{PAGES}"),
            *("-keyout", str(place.key), "-out", str(place.certificate)),
        ],
        check=True,
        capture_output=True,
    )


def session_of(place: Place) -> aiohttp.ClientSession:
    """Return a session that knows the certificate and where the name is."""
    trust = ssl.create_default_context(cafile=str(place.certificate))
    connector = aiohttp.TCPConnector(limit=0, ssl=trust, resolver=OnLoopback())
    return aiohttp.ClientSession(connector=connector)


@asynccontextmanager
async def running(place: Place, command: list[str]) -> AsyncIterator[None]:
    """Run a proxy until the end of the block."""
    log = place.folder / "log"
    environ = {**os.environ, "XDG_DATA_HOME": str(place.folder), "HOME": str(place.folder)}
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=out, stderr=out, env=environ
        )
    try:
        async with asyncio.timeout(PATIENCE):
            while not await _listens(place.port):
                text = log.read_text(encoding="utf-8")
                assert process.returncode is None, text
                await asyncio.sleep(0.05)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    return True


@dataclass
class Front:
    """A bot behind a proxy, and the world before it."""

    stage: LocalStack
    place: Place
    world: aiohttp.ClientSession
    too_large: int
    """The status for a body that is larger than any update."""

    async def post(self, body: bytes, path: str = "/telegram") -> int:
        """Send what may be an update, without the secret, and return the status."""
        async with self.world.post(self.place.url(path), data=BytesIO(body)) as answer:
            return answer.status

    async def get(self, path: str) -> int:
        """Return the status of a page."""
        async with self.world.get(self.place.url(path)) as answer:
            return answer.status


@pytest.fixture(params=PROXIES)
async def front(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Front]:
    """A proxy of each kind, and stand-ins whose Telegram delivers through it."""
    name: str = request.param
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not here")
    place = Place(tmp_path / "proxy", free_port(), free_port())
    place.folder.mkdir()
    await asyncio.to_thread(make_certificate, place)
    settings = by_webhook(place.bot_port) | {"RELAY_TELEGRAM__WEBHOOK_URL": place.url("/telegram")}
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(place, PROXIES[name](place)))
        stage = await stack.enter_async_context(LocalStack(tmp_path, more=settings))
        world = await stack.enter_async_context(session_of(place))
        # The only way to let the stand-in trust a certificate of the test.
        sender = stage.telegram.deliveries
        assert sender._session is not None
        await sender._session.close()
        sender._session = session_of(place)
        # Caddy of before 2.7 calls it a fault of the bot (caddyserver/caddy#5652).
        yield Front(stage, place, world, too_large=413 if name == "nginx" else 502)


async def test_updates_pass(front: Front) -> None:
    """A file is relayed; what the bot could not take, because it was away, arrives later."""
    alice = Person(front.stage)
    await front.stage.start_bot(alice.id)
    first = await alice.answered(await alice.send(CONTENT))
    deliveries = len(front.stage.telegram.deliveries.log)
    await front.stage.stop_bot()
    message = await alice.send(CONTENT[::-1])
    await front.stage.telegram.wait_for(
        lambda: len(front.stage.telegram.deliveries.log) > deliveries + 1
    )
    away = await front.post(b"{}")
    await front.stage.start_bot(alice.id)
    second = await alice.answered(message)

    assert (await fetch(link_of(first)))[:2] == (200, CONTENT)
    assert (await fetch(link_of(second)))[:2] == (200, CONTENT[::-1])
    assert away == 502
    assert front.stage.telegram.log.of("getUpdates") == []


async def test_nothing_else_passes(front: Front) -> None:
    """Neither the pages for the operator, nor other paths, nor what is no update."""
    await front.stage.start_bot(1)
    pages = ("/metrics", "/readyz", "/healthz", "/", "/telegram/", "/telegram/../metrics")
    found = {path: await front.get(path) for path in pages}

    assert set(found.values()) == {404}, found
    assert await front.post(b"{}", "/telegram/metrics") == 404
    assert await front.post(b"{}") == 403
    # To the bot, which refuses it without the secret; and larger than any update.
    assert await front.post(b"x" * 900_000) == 403
    assert await front.post(b"x" * 1_200_000) == front.too_large


@dataclass
class PageFront:
    """A bot with pages behind a proxy, and visitors."""

    stage: LocalStack
    place: Place
    world: aiohttp.ClientSession

    async def get(self, path: str, **headers: str) -> tuple[int, str, Mapping[str, str]]:
        """Return status, text and headers of an address; no redirect is followed."""
        async with self.world.get(
            self.place.url(path), headers=headers, allow_redirects=False
        ) as answer:
            return answer.status, await answer.text(), answer.headers


@pytest.fixture(params=PROXIES)
async def pages(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[PageFront]:
    """A proxy of each kind before a bot in page mode."""
    name: str = request.param
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not here")
    place = Place(tmp_path / "proxy", free_port(), free_port(), PAGES)
    place.folder.mkdir()
    await asyncio.to_thread(make_certificate, place)
    settings = by_pages(place.bot_port) | {"RELAY_WEB__URL": place.url("")}
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(place, PROXIES[name](place)))
        stage = await stack.enter_async_context(LocalStack(tmp_path, more=settings))
        yield PageFront(stage, place, await stack.enter_async_context(session_of(place)))


async def test_pages_pass(pages: PageFront) -> None:
    """A page, its file under any name, and the redirect; by https for good, and not logged."""
    alice = Person(pages.stage)
    await pages.stage.start_bot(alice.id)
    answer = await alice.answered(await alice.send(CONTENT, "100% 报告 (1) a&b.pdf"))
    page = link_of(answer).removeprefix(pages.place.url(""))
    status, text, headers = await pages.get(page, **{"User-Agent": "Mozilla/5.0"})
    found = re.search(r"curl -LOJ https://[^/]+(/\S+)", (await pages.get(page))[1])
    assert found is not None
    direct, _, to = await pages.get(found[1])

    assert (status, headers["Strict-Transport-Security"]) == (200, "max-age=31536000")
    assert "100% 报告 (1) a&amp;b.pdf" in text
    assert direct == 303
    assert (await fetch(to["Location"]))[:2] == (200, CONTENT)
    logs = [path for path in pages.place.folder.iterdir() if "log" in path.name]
    assert not any(page in path.read_text(encoding="utf-8") for path in logs)


async def test_monitoring_is_inside(pages: PageFront) -> None:
    """Neither the proxy nor a forged address opens it; the bot itself answers this machine."""
    await pages.stage.start_bot(1)
    forged = {"X-Forwarded-For": "127.0.0.1"}
    found = [
        (await pages.get(path, **headers))[0]
        for path in ("/metrics", "/readyz", "/healthz", "/%6detrics", "//metrics", "/metrics/")
        for headers in ({}, forged)
    ]
    inside = f"http://{LOOPBACK}:{pages.place.bot_port}/metrics"

    assert set(found) == {404}
    assert (await fetch(inside))[0] == 200


class ManyFronts:
    """Two fronts, of which one is active, which lacks a worker. `taken` are the bodies that they
    got while they were active.
    """

    def __init__(self) -> None:
        self.ports = (free_port(), free_port())
        self.active = 0
        self.taken: list[tuple[int, bytes]] = []

    @asynccontextmanager
    async def serve(self, number: int) -> AsyncIterator[None]:
        """Serve one of them."""

        async def answer(request: web.BaseRequest) -> web.Response:
            is_ready = request.path_qs != "/readyz"
            if number != self.active or not is_ready:
                return web.Response(status=503)
            self.taken.append((number, await request.read()))
            return web.Response()

        runner = web.ServerRunner(web.Server(answer))
        await runner.setup()
        await web.TCPSite(runner, LOOPBACK, self.ports[number]).start()
        try:
            yield
        finally:
            await runner.cleanup()


def before_many(name: str, place: Place, ports: tuple[int, int]) -> list[str]:
    """Write the configuration that the runbook describes, without TLS; return the command."""
    text = replaced(
        read("README.md").partition("\n## Several machines")[2],
        *((f"10.0.0.{n + 1}:8080", f"{LOOPBACK}:{port}") for n, port in enumerate(ports)),
    )
    if name == "nginx":
        found = re.search(
            r"`(upstream .*?)`.*?`(proxy_pass .*?)` and `(proxy_next_.*?)`", text, re.DOTALL
        )
        assert found is not None
        upstream, target, others = found.groups()
        command = nginx(place)
        file = place.folder / "nginx.conf"
        around = file.read_text(encoding="utf-8").partition("http {\n")
        temporary = re.findall(r"(?m)^  \w+_temp_path .*$", around[2])
        server = f"server {{ listen {LOOPBACK}:{place.port}; location / {{ {target} {others} }} }}"
        http = "\n".join((*temporary, "access_log off;", upstream, server))
        file.write_text(f"{around[0]}http {{\n{http}\n}}\n", encoding="utf-8")
        return command
    found = re.search(r"`(reverse_proxy .*?) \{ … \}` with `(.*?)` and `(.*?)`", text)
    assert found is not None
    proxied, *options = found.groups()
    file = place.folder / "Caddyfile"
    inside = "\n".join(options)
    file.write_text(
        "{\n\tadmin off\n\tauto_https off\n}\n"
        f"http://{LOOPBACK}:{place.port} {{\n{proxied} {{\n{inside}\n}}\n}}\n",
        encoding="utf-8",
    )
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(file)]


TAKEN_OVER = 5.0
"""Real seconds until a proxy finds the front that has taken over."""


async def post(url: str, body: bytes) -> int:
    """Send a body, and return the status."""
    async with aiohttp.ClientSession() as world, world.post(url, data=body) as answer:
        return answer.status


async def until_taken(url: str) -> None:
    """Wait until a front takes what is sent.

    Raises:
        TimeoutError: none does, though one could.
    """
    async with asyncio.timeout(TAKEN_OVER):
        while await post(url, b"first") != 200:  # noqa: ASYNC110 -- nothing tells of it.
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("name", PROXIES)
async def test_several_fronts(name: str, tmp_path: Path) -> None:
    """The active front gets every request, though it is not ready, and soon after it has taken
    over; nothing is lost that has a body.
    """
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not here")
    place = Place(tmp_path / "proxy", free_port(), free_port())
    place.folder.mkdir()
    fronts = ManyFronts()
    url = f"http://{LOOPBACK}:{place.port}/telegram"
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(AsyncExitStack())
        await first.enter_async_context(fronts.serve(0))
        await stack.enter_async_context(fronts.serve(1))
        command = before_many(name, place, fronts.ports)
        await stack.enter_async_context(running(place, command))
        await until_taken(url)
        before = [await post(url, b"1") for _ in range(6)]
        await first.aclose()
        gone = [await post(url, b"2") for _ in range(3)]
        fronts.active = 1
        await until_taken(url)
        after = [await post(url, b"3") for _ in range(6)]

    assert (before, after) == ([200] * 6, [200] * 6)
    assert set(gone) <= {502, 503}
    assert {number for number, body in fronts.taken if body == b"3"} == {1}
