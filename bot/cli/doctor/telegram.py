"""Checks of Telegram: the token, access to messages, delivery of updates, and the largest file.
And of the address at which the world finds the pages behind links.
"""

import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from yarl import URL

from bot.adapters.ledger.database import open_database
from bot.adapters.ledger.ledger import SqlLedger, SqlOffset
from bot.adapters.telegram.inspection import BotInspection, BotProfile, open_examination
from bot.adapters.telegram.request import TokenRefused
from bot.cli.common import CommandFailed, Row, broken, ok, require_ledger, say, size, warning
from bot.core.errors import ChatUnavailable, LedgerError
from bot.core.ports import Clock
from bot.core.ports.pages import MARK_PATH, PageContent, bot_mark, file_url, page_url
from bot.settings import Settings, TelegramMode
from bot.wiring.resources import plain

MOST_SKEW: Final = timedelta(minutes=1)
"""Telegram itself accepts more; the deadline of a link does not."""

LEAST_VERSION: Final = "7.11"
"""Bot API of the newest thing that the bot uses: buttons that copy a text (source: Bot API,
"Recent changes", October 31, 2024).
"""
_VERSIONS: Final = (
    ("setMessageReaction", "doctor-before-7-0"),
    ("savePreparedInlineMessage", "doctor-before-8-0"),
)
"""A server does not tell its version, but it lacks the methods of newer ones (source: Bot API,
"Recent changes"): a method that is refused without parameters, and the message about
servers without it.
"""
CLOCK_REMEDY: Final = "doctor-clock-remedy"


async def examine_telegram(settings: Settings, clock: Clock) -> list[Row]:
    """Check the bot at its Bot API server; skip checks that depend on a valid token if it is
    unknown.
    """
    given = settings.telegram
    rows = [_mode(settings)]
    try:
        async with open_examination(
            given.token.get_secret_value(), base_url=given.base_url, proxy=plain(given.proxy)
        ) as bot:
            profile = await bot.profile()
            rows += [
                ok(
                    "telegram token",
                    say("doctor-token-ok", username=profile.username, id=profile.id),
                ),
                _privacy(settings, profile),
                await _webhook(settings, bot),
                await _version(bot),
                _clock(profile, clock),
            ]
    except TokenRefused:
        rows.append(broken("telegram token", say("init-token-refused"), _token_remedy(settings)))
    except (ChatUnavailable, RuntimeError) as error:
        meaning = say("doctor-no-telegram", url=given.base_url, why=error)
        rows.append(broken("telegram", meaning, say("doctor-no-telegram-remedy")))
    return rows


def _token_remedy(settings: Settings) -> str:
    if settings.telegram.mode is TelegramMode.LOCAL:
        return say("doctor-token-remedy-local")
    return say("doctor-token-remedy")


def _mode(settings: Settings) -> Row:
    given, name = settings.telegram, "telegram mode"
    if given.mode is TelegramMode.CLOUD:
        return ok(name, say("doctor-cloud", size=size(given.limit), bytes=given.limit))
    root = given.file_root or Path()
    if not root.is_dir():
        return broken(
            name,
            say("doctor-no-root", root=root),
            say("doctor-no-root-remedy"),
        )
    if not os.access(root, os.R_OK | os.X_OK | os.W_OK):
        return broken(
            name,
            say("doctor-closed-root", root=root),
            say("doctor-closed-root-remedy"),
        )
    return ok(name, say("doctor-local", size=size(given.limit), root=root))


def _privacy(settings: Settings, profile: BotProfile) -> Row:
    name = "telegram privacy mode"
    if profile.reads_groups:
        return ok(name, say("doctor-privacy-off"))
    meaning = say("doctor-privacy-on")
    if not settings.access.groups:
        return ok(name, meaning)
    return warning(name, meaning, say("doctor-privacy-remedy"))


async def _webhook(settings: Settings, bot: BotInspection) -> Row:
    name, found, wanted = "telegram webhook", await bot.webhook(), settings.telegram.webhook_url
    if not found:
        return ok(name, say("doctor-no-webhook" if wanted is None else "doctor-webhook-later"))
    host = urlsplit(found).hostname
    if wanted is not None and urlsplit(wanted).hostname == host:
        return ok(name, say("doctor-webhook-ok", host=host))
    return warning(
        name,
        say("doctor-webhook-other", host=host),
        say("doctor-webhook-remedy"),
    )


async def _version(bot: BotInspection) -> Row:
    name = "Bot API server"
    for method, missing in _VERSIONS:
        if not await bot.knows(method):
            return warning(
                name,
                say(missing, least=LEAST_VERSION),
                say("doctor-newer-server", least=LEAST_VERSION),
            )
    return ok(name, say("doctor-server-ok", least=LEAST_VERSION))


def _clock(profile: BotProfile, clock: Clock) -> Row:
    name = "clock and Telegram"
    if profile.told_at is None:
        return warning(name, say("doctor-no-time"), say("doctor-no-time-remedy"))
    return clock_row(name, profile.told_at - clock.now())


def clock_row(name: str, ahead: timedelta) -> Row:
    """Return the row about a clock that is ahead of ours by `ahead`."""
    seconds = ahead.total_seconds()
    if abs(ahead) <= MOST_SKEW:
        return ok(name, say("doctor-clock-ok", seconds=max(1, abs(round(seconds)))))
    text = "doctor-clock-slow" if seconds > 0 else "doctor-clock-fast"
    return warning(name, say(text, seconds=abs(round(seconds))), say(CLOCK_REMEDY))


PAGES: Final = "pages"
PATIENCE: Final = aiohttp.ClientTimeout(total=15)
"""Of each request through the address of the pages."""
PREVIEW: Final = "TelegramBot (like TwitterBot)"
"""How Telegram asks for a preview."""
_NO_BOT: Final = frozenset({502, 503, 504})
"""What reverse proxies answer that do not reach the bot."""


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer through the address of the pages."""

    status: int
    text: str
    headers: Mapping[str, str]


class PagesElsewhere(Exception):
    """The address of the pages does not lead to this bot: text and remedy are sentences."""

    def __init__(self, text: str, remedy: str) -> None:
        super().__init__(text)
        self.remedy = remedy


async def find_pages(settings: Settings) -> Answered:
    """Ask through `web.url` for this bot; where it does not run, answer in its place meanwhile.

    Raises:
        PagesElsewhere: another one answers, or none.
    """
    origin = settings.web.url or ""
    mark = bot_mark(settings.telegram.token.get_secret_value().encode())
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(_in_its_place(settings, mark))
        session = await stack.enter_async_context(_session())
        answer = await _ask(session, origin + MARK_PATH)
    host = urlsplit(origin).hostname
    port = settings.web.port
    if answer.status in _NO_BOT:
        raise PagesElsewhere(
            say("doctor-pages-no-bot", host=host, status=answer.status),
            say("doctor-pages-no-bot-remedy", where=f"{settings.web.host}:{port}"),
        )
    if (answer.status, answer.text.strip()) != (200, mark):
        raise PagesElsewhere(
            say("doctor-pages-other", host=host, status=answer.status),
            say("doctor-pages-other-remedy", where=f"{settings.web.host}:{port}"),
        )
    return answer


@asynccontextmanager
async def _in_its_place(settings: Settings, mark: str) -> AsyncIterator[None]:
    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(text=mark, status=200 if request.path == MARK_PATH else 404)

    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    try:
        # The port is taken where the bot runs; then the bot itself answers.
        with suppress(OSError):
            await web.TCPSite(runner, settings.web.host, settings.web.port or 0).start()
        yield
    finally:
        await runner.cleanup()


def _session() -> aiohttp.ClientSession:
    # Made now, so that SSL_CERT_FILE counts, as for other programs.
    trust = ssl.create_default_context()
    return aiohttp.ClientSession(timeout=PATIENCE, connector=aiohttp.TCPConnector(ssl=trust))


async def _ask(
    session: aiohttp.ClientSession, url: str, method: str = "GET", **headers: str
) -> Answered:
    host = urlsplit(url).hostname
    try:
        async with session.request(
            method, URL(url, encoded=True), headers=headers, allow_redirects=False
        ) as answer:
            text = (await answer.content.read(1 << 16)).decode("utf-8", "replace")
            return Answered(answer.status, text, answer.headers)
    except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError) as error:
        raise PagesElsewhere(
            say("doctor-pages-certificate", host=host, why=error),
            say("doctor-pages-certificate-remedy", host=host),
        ) from error
    except (aiohttp.ClientError, TimeoutError) as error:
        raise PagesElsewhere(
            say("doctor-pages-unreachable", host=host, why=str(error) or type(error).__name__),
            say("doctor-pages-unreachable-remedy", host=host),
        ) from error


async def examine_pages(settings: Settings, clock: Clock) -> list[Row]:
    """Check that `web.url` leads to this bot, and fetch a live page and the address of its file
    through it, if there is one; none is counted.
    """
    origin = settings.web.url
    if origin is None:
        return []
    host = urlsplit(origin).hostname
    try:
        answer = await find_pages(settings)
        page = await _live_page(settings, clock)
        if page is not None:
            await _visit(origin, page)
    except PagesElsewhere as error:
        return [broken(PAGES, str(error), error.remedy)]
    if origin.startswith("https:") and "Strict-Transport-Security" not in answer.headers:
        text, remedy = say("doctor-pages-hsts", host=host), say("doctor-pages-hsts-remedy")
        return [warning(PAGES, text, remedy)]
    return [ok(PAGES, say("doctor-pages-ok" if page is None else "doctor-pages-seen", host=host))]


async def _live_page(settings: Settings, clock: Clock) -> PageContent | None:
    """Return a page that is open to all, `None` if there is none, or no ledger to look into; the
    ledger has a row of its own.
    """
    with suppress(LedgerError, CommandFailed):
        require_ledger(settings.ledger.place)
        async with open_database(settings.ledger.place, create=False) as database:
            now = clock.now() + await SqlOffset(database).oss_offset()
            for page in await SqlLedger(database).pages.live(100):
                options = page.page.options
                is_plain = options.password_hash is None and not options.is_paused
                file = page.files[0]
                if is_plain and file.is_open(now) and not file.is_used_up(options):
                    return page
    return None


async def _visit(origin: str, page: PageContent) -> None:
    """Look at a page as previews do, and at its first file by HEAD, which uses nothing up.

    Raises:
        PagesElsewhere: something on the way changes it.
    """
    url = page_url(origin, page.page.token)
    async with _session() as session:
        preview = await _ask(session, url, **{"User-Agent": PREVIEW})
        direct = await _ask(session, file_url(origin, page, 1), "HEAD")
        there = direct.headers.get("Location", "")
        file = await _ask(session, there, "HEAD") if direct.status == 303 and there else direct
    failed = [
        (what, answer.status)
        for what, answer, is_right in (
            ("doctor-pages-preview", preview, "og:title" in preview.text),
            ("doctor-pages-redirect", direct, direct.status == 303),
            ("doctor-pages-file", file, file.status == 200),
        )
        if not is_right
    ]
    if failed:
        what, status = failed[0]
        raise PagesElsewhere(say(what, status=status), say("doctor-pages-changed-remedy"))
