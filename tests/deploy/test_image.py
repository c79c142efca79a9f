"""The image, built and run: `make image-check`. See `tests.deploy.image` for how."""

import asyncio
import re
import signal
import tomllib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from bot.demo.local_stack import LocalStack
from tests.conversations.people import Person, fetch, link_of
from tests.conversations.test_webhook import free_port
from tests.deploy.files import read
from tests.deploy.image import Image, Store, Unavailable, require_tools

PYTHON = "/opt/relay-bot/bin/python"
READY_WITHIN = 60.0
"""Real seconds."""


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_image(tmp_path: Path) -> None:
    """It is what the documents say. One test, because it is built but once."""
    try:
        require_tools()
    except Unavailable as reason:
        pytest.skip(str(reason))
    with built(tmp_path / "store") as (store, image):
        await asyncio.to_thread(check_runbook, store)
        for check in (check_commands, check_contents, check_demo, check_bad_settings):
            folder = tmp_path / check.__name__
            folder.mkdir()
            await asyncio.to_thread(check, image, folder)
        await check_init_and_run(image, tmp_path)


@contextmanager
def built(folder: Path) -> Iterator[tuple[Store, Image]]:
    """Build the image, and remove it at the end."""
    folder.mkdir()
    store = Store(folder)
    store.add_base()
    store.build()
    try:
        yield store, store.open()
    finally:
        store.buildah("rm", "--all")
        store.buildah("rmi", "--all", "--force")


def check_runbook(store: Store) -> None:
    """The first commands for a bare server work one after the other, as they stand there; then
    only the placeholders of the settings are missing, and the bot may write its folders.
    """
    chapter = read("README.md").partition("## Install on a bare server")[2].partition("\n## ")[0]
    install, settings = re.findall(r"(?ms)^```\n(.*?)^```$", chapter)[:2]
    as_bot = "setpriv --reuid relay-bot --regid relay-bot --clear-groups"
    check = "/opt/relay-bot/bin/relay-bot run --check --settings /etc/relay-bot/settings.toml"
    shown = store.run_on_base(
        f"{install}\n{settings}\n{as_bot} touch /var/lib/relay-bot/x /var/backups/relay-bot/x\n"
        f"! {as_bot} touch /etc/relay-bot/x\n{as_bot} {check} 2>&1 || echo ended with $?\n"
    )
    told = re.findall(r"(?m)^settings: (\S+):", shown)

    assert "ended with 2" in shown
    assert set(told) == {
        *("telegram.token", "oss.bucket", "oss.access_key_id", "oss.access_key_secret")
    }, shown


def check_commands(image: Image, tmp_path: Path) -> None:
    """They run as user 101, without a way back, on files that they cannot change; their exit codes
    are their own.
    """
    version = tomllib.loads(read("pyproject.toml"))["project"]["version"]
    told = image.run(tmp_path, "--version")
    refused = image.run(tmp_path, "status", "--settings", "/missing.toml")
    status = image.run(tmp_path, "cat", "/proc/self/status", entrypoint=False).stdout
    written = [
        image.run(tmp_path, "touch", path, entrypoint=False)
        for path in ("/x", "/opt/relay-bot/x", "/etc/x", "/var/lib/relay-bot/x", "/tmp/x")  # noqa: S108 -- in the image.
    ]

    assert (told.returncode, told.stdout) == (0, f"relay-bot {version}\n")
    assert (refused.returncode, "no such file" in refused.stderr) == (2, True)
    assert re.search(r"(?m)^Uid:\s+101\s+101\s+101\s+101$", status)
    assert re.search(r"(?m)^CapEff:\s+0+$", status)
    assert [done.returncode for done in written] == [1, 1, 1, 0, 0]
    assert "Read-only file system" in written[0].stderr


def check_contents(image: Image, tmp_path: Path) -> None:
    """The packages are those of the lock file, with SOCKS; licenses and labels are there; nothing
    of the machine that built it is.
    """
    listed = image.run(
        tmp_path, PYTHON, "-m", "pip", "list", "--format=freeze", entrypoint=False
    ).stdout
    installed = {
        re.sub(r"[-_.]+", "-", name).lower(): version
        for name, version in re.findall(r"(?m)^(\S+)==(\S+)$", listed)
    }
    locked = dict(re.findall(r"(?m)^([a-z0-9._-]+)==(\S+)", read("requirements.lock")))
    packages = image.root / "opt/relay-bot/lib"
    texts = {path.name for path in packages.rglob("python_telegram_bot-*/licenses/*")}
    notice = image.root / "usr/share/doc/relay-bot/NOTICE"
    minor = re.match(r"FROM python:(3\.[0-9]+)", read("Dockerfile").partition("\n\n")[2])

    assert installed.keys() - locked.keys() == {"file-relay-bot", "pip"}
    assert {name: installed[name] for name in locked} == locked
    assert {"aiohttp-socks", "python-socks"} <= locked.keys()
    assert {"LICENSE", "LICENSE.lesser"} <= texts
    assert notice.read_text(encoding="utf-8") == read("NOTICE")
    assert image.config["Labels"]["org.opencontainers.image.title"] == "file-relay-bot"
    # Nothing but the place of a mount.
    assert (image.root / "etc/pip.conf").read_bytes() == b""
    assert minor is not None
    assert (image.root / f"opt/relay-bot/lib/python{minor[1]}").is_dir()


def check_demo(image: Image, tmp_path: Path) -> None:
    """The demo needs no file of the checkout, no account, and no place but /tmp."""
    shown = image.run(tmp_path, "demo")

    assert shown.returncode == 0, shown.stdout + shown.stderr


def check_bad_settings(image: Image, tmp_path: Path) -> None:
    """Exit code 2 becomes 0 for the engine, with the line about the mistake."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/settings.toml").write_text('[web]\nport = "x"\n', encoding="utf-8")
    done = image.run(tmp_path, *image.config["Cmd"])

    assert done.returncode == 0
    assert "web.port" in done.stderr
    assert "stays down" in done.stderr


@asynccontextmanager
async def container(
    image: Image, volume: Path, environ: dict[str, str]
) -> AsyncIterator[tuple[asyncio.subprocess.Process, Path]]:
    """Run the bot as the image does by default, until the end of the block; yield the process and
    its log once it is ready.
    """
    log = volume / "log"
    command = image.command(volume, image.config["Cmd"], environ=environ)
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(*command, stdout=out, stderr=out)
    try:
        async with asyncio.timeout(READY_WITHIN):
            while '"event": "ready"' not in log.read_text(encoding="utf-8"):
                assert process.returncode is None, log.read_text(encoding="utf-8")
                await asyncio.sleep(0.1)
        yield process, log
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def check_init_and_run(image: Image, folder: Path) -> None:
    """`init` makes the settings, the bot runs with them and relays a file; the health check sees
    it at the port of the file, and no more after a stop, which is 143 for the engine.
    """
    volume, content = folder / "volume", b"from a container" * 1000
    check = [word for word in image.config["Healthcheck"]["Test"] if word != "CMD"]

    def is_healthy() -> int:
        return image.run(volume, *check, entrypoint=False).returncode

    async with LocalStack(folder / "stack") as stage:
        alice = Person(stage)
        addresses = await asyncio.to_thread(make_settings, image, volume, stage, alice.id)
        async with container(image, volume, addresses) as (process, log):
            answer = await alice.answered(await alice.send(content))
            assert (await fetch(link_of(answer)))[:2] == (200, content)
            assert await asyncio.to_thread(is_healthy) == 0
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 143
        assert await asyncio.to_thread(is_healthy) == 1

    assert (volume / "data/relay.sqlite3").is_file()
    assert "Traceback" not in log.read_text(encoding="utf-8")


def make_settings(image: Image, volume: Path, stage: LocalStack, user: int) -> dict[str, str]:
    """Let `init` make the settings, and add a port to them; return what only variables say."""
    own = {"RELAY_SPOOL__FOLDER", "RELAY_LEDGER__PATH"}
    environ = {k: v for k, v in stage.variables(user).items() if k not in own}
    words = ("init", "--settings", "/var/lib/relay-bot/made.toml", "--admin", str(user))
    made = image.run(volume, *words, environ=environ)
    assert made.returncode == 0, made.stdout + made.stderr
    text = (volume / "data/made.toml").read_text(encoding="utf-8")
    example = "# e.g. port = 8080"
    assert example in text
    (volume / "etc/settings.toml").write_text(
        text.replace(example, f"port = {free_port()}"), encoding="utf-8"
    )
    return {k: v for k, v in environ.items() if k.endswith(("BASE_URL", "ENDPOINT"))}
