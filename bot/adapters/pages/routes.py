"""Routes of the pages behind links.

    GET  /TOKEN              the page; plain text for clients without a browser
    GET  /TOKEN/NAME         a redirect to the lone file of a page
    GET  /TOKEN/N/NAME       a redirect to its file N
    GET  /TOKEN/all.txt      the addresses of all files of a page with several
    GET  /TOKEN/look/N       a redirect to the file, to be shown and not saved
    GET  /-/bot              which bot this is, for `relay-bot doctor`
    POST /TOKEN/N/get        the button: as above, also for pages with a password
    POST /TOKEN/password     the form of a page with a password
    POST /TOKEN/report       the form that tells the admins

HEAD is answered where GET is. No negotiation ever gives bytes of a file, and all that is not there
has one answer: a page that never was, one that is forgotten, and an address that cannot be one.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog
from aiohttp import web

from bot.adapters.pages.guards import (
    PASS_LIFETIME,
    REPORTS_BY_VISITOR,
    Ask,
    Passes,
    PasswordGuard,
    RequestsAtOnce,
    Throttle,
    Visitor,
    read,
    read_form,
)
from bot.adapters.pages.rendering import PageRenderer, can_be_shown, moment
from bot.core.errors import RelayError
from bot.core.ports import Clock
from bot.core.ports.metrics import Metrics, NoMetrics, PageRefusal, PageState
from bot.core.ports.pages import (
    MARK_PATH,
    TOKEN_LENGTH,
    HasherBusy,
    Page,
    PageContent,
    PageFile,
    PasswordHasher,
    bot_mark,
)
from bot.inbound.pages import DownloadRequest, PageDownload, PageVisit, PageVisits
from bot.supervision import Unit, UnitEdge

log = structlog.stdlib.get_logger(__name__)

COOKIE: Final = "pass"
NO_NAMES: Final = frozenset({"", "get", "password", "report"})
"""What addresses of forms end with, and that of a page with a slash. A browser that opens one by
GET, from its list of tabs or from a message, uses nothing up. Unless it is the name of a file.
"""
ENTERED: Final = "entered"
"""The query with which a right password leads to the page: a browser that comes without its cookie
keeps none, and is told so.
"""
RETRY: Final = timedelta(seconds=5)
MOST_FILES: Final = 3
"""Digits of the number of a file."""

_TOKEN: Final = re.compile(rf"[A-Za-z0-9_-]{{{TOKEN_LENGTH}}}")
_GLUED: Final = re.compile(rf"({_TOKEN.pattern})(?!%[01])[^A-Za-z0-9_-].*")
"""An address with what stood behind it in a message: clients take a full stop, a bracket, or words
in Chinese, which follow without a blank, for a part of the link.
"""
_NO_NAME: Final = re.compile(r'[\x00-\x1f\x7f"\\]')
"""Characters that would end the name in a header, or the header."""
_NUMBER: Final = re.compile(rf"[1-9][0-9]{{0,{MOST_FILES - 1}}}")
POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; form-action {targets};"
    " frame-ancestors 'none'; base-uri 'none'"
)
FOREVER: Final = "public, max-age=31536000, immutable"
ROBOTS: Final = "User-agent: *\nDisallow: /*/\n"
"""Pages may be fetched, so that their `noindex` is read and previews work; files may not."""

STATUS: Final[Mapping[PageState, int]] = {
    PageState.OPEN: 200,
    PageState.LOCKED: 200,
    PageState.PAUSED: 423,
    PageState.ENDED: 410,
    PageState.UNKNOWN: 404,
    PageState.USED_UP: 410,
}
"""423 Locked: the file is there, and closed for now."""
TITLES: Final[Mapping[PageState, tuple[str, str]]] = {
    PageState.PAUSED: ("title-paused", "paused-hint"),
    PageState.ENDED: ("title-ended", "ended-hint"),
    PageState.UNKNOWN: ("title-unknown", "unknown-hint"),
    PageState.USED_UP: ("title-used-up", "used-up-hint"),
}


class PageRoutes:
    """Answers requests for pages. Until `open` is called it says that the service starts.

    `origin` is that of `web.url`, `secret` what the key of its cookies is derived from.
    """

    def __init__(
        self,
        origin: str,
        secret: bytes,
        clock: Clock,
        passwords: PasswordHasher,
        metrics: Metrics | None = None,
    ) -> None:
        self._origin = origin
        self._renderer = PageRenderer(origin)
        self._passes = Passes(secret, clock)
        self._mark = bot_mark(secret)
        self._passwords = passwords
        self._guard = PasswordGuard(clock)
        self._reports = Throttle(REPORTS_BY_VISITOR, clock)
        self._at_once = RequestsAtOnce()
        self._metrics = metrics or NoMetrics()
        self._edge = UnitEdge(metrics)
        self._assets = {asset.path: asset for asset in self._renderer.assets.values()}
        self._visits: PageVisits | None = None

    def open(self, visits: PageVisits) -> None:
        """Show pages from now on."""
        self._visits = visits

    async def handle(self, request: web.BaseRequest, visitor: Visitor) -> web.StreamResponse:
        """Answer a request; an unexpected error ends here, and costs this request only."""
        ask = read(request, visitor)
        try:
            if not self._at_once.begin(ask.visitor):
                return self._throttled(ask)
            return await self._route(ask)
        except HasherBusy:
            return self._throttled(ask)
        except RelayError as error:
            log.warning("page not shown", code=error.code)
            return self._say(ask, 503, "title-failed", "failed-hint", wait=RETRY)
        except Exception as error:  # noqa: BLE001 -- the edge of a unit.
            self._edge.failed(Unit.PAGE, 0, error)
            return self._say(ask, 500, "title-failed", "failed-hint")
        finally:
            self._at_once.end(ask.visitor)

    async def _route(self, ask: Ask) -> web.StreamResponse:
        if ask.method in {"GET", "HEAD"}:
            if (fixed := self._fixed(ask)) is not None:
                return fixed
            return await self._get(ask)
        if ask.method == "POST":
            return await self._post(ask)
        return _respond(405, "405: Method Not Allowed\n", headers={"Allow": "GET, HEAD, POST"})

    def _fixed(self, ask: Ask) -> web.Response | None:
        path = ask.request.rel_url.raw_path
        if (asset := self._assets.get(path)) is not None:
            told = {"Cache-Control": FOREVER, "Content-Type": asset.content_type}
            return web.Response(body=asset.body, headers=told)
        if path == MARK_PATH:
            return _respond(200, self._mark)
        if path == "/robots.txt":
            return _respond(200, ROBOTS)
        return _respond(204, "") if path == "/favicon.ico" else None

    async def _get(self, ask: Ask) -> web.StreamResponse:
        match ask.parts:
            case (token,):
                if glued := _GLUED.fullmatch(token):
                    return _to(f"/{glued[1]}")
                return await self._at_page(ask, self._show)
            case (_, "look", number):
                inline = partial(self._download, number=number, inline=True)
                return await self._at_page(ask, inline)
            case (_, name):
                return await self._at_page(ask, partial(self._lone, name=name))
            case (_, number, name):
                named = partial(self._named, number=number, name=name)
                return await self._at_page(ask, named)
            case _:
                return self._state(ask, PageState.UNKNOWN)

    async def _post(self, ask: Ask) -> web.StreamResponse:
        if self._is_foreign(ask.request):
            self._metrics.page_refused(PageRefusal.FOREIGN)
            return self._say(ask, 403, "title-foreign", "foreign-hint")
        match ask.parts:
            case (_, "password"):
                return await self._at_page(ask, self._enter)
            case (_, "report"):
                return await self._at_page(ask, self._report)
            case (_, number, "get"):
                pressed = int(number) if _NUMBER.fullmatch(number) else 0
                answer = partial(self._press, number=pressed)
                return await self._at_page(ask, answer, pressed=pressed)
            case _:
                return self._state(ask, PageState.UNKNOWN)

    async def _at_page(
        self,
        ask: Ask,
        answer: Callable[[Ask, PageVisits, PageVisit], Awaitable[web.StreamResponse]],
        *,
        pressed: int = 0,
    ) -> web.StreamResponse:
        """Answer for the page that the address names, of whose file `pressed` the button was."""
        if _TOKEN.fullmatch(ask.token) is None:
            return self._state(ask, PageState.UNKNOWN)
        if self._visits is None:
            return self._say(ask, 503, "title-starting", "starting-hint", wait=RETRY)
        given = ask.request.cookies.get(COOKIE, "")
        visits, admits = self._visits, lambda page: self._passes.admits(page, given)
        if pressed:
            return await answer(ask, visits, await visits.press(ask.token, pressed, admits))
        visit = await visits.look(ask.token, admits)
        return await answer(ask, visits, visit)

    async def _show(
        self, ask: Ask, visits: PageVisits, visit: PageVisit, *, reported: bool = False
    ) -> web.Response:
        self._metrics.page_shown(visit.state)
        has_entered = ask.request.rel_url.raw_query_string == ENTERED
        if visit.state is PageState.LOCKED:
            text = self._renderer.texts(ask.language)
            return self._locked(ask, problem=text("password-no-cookie") if has_entered else "")
        if visit.state is not PageState.OPEN or visit.content is None:
            return self._state(ask, visit.state, at=visit.ended_at)
        if has_entered:
            # What is copied from the address bar is the link alone.
            return _to(f"/{ask.token}")
        if not ask.wants_html:
            said = f"{self._renderer.texts(ask.language)('reported')}\n" if reported else ""
            return _respond(200, said or self._renderer.text(ask.language, visit))
        shown = self._renderer.page(
            ask.language,
            visit,
            partial(_is_shown, visits),
            report=None if visits.reports is None else reported,
        )
        return _page(200, shown, self._targets(visits, visit.content))

    async def _lone(
        self, ask: Ask, visits: PageVisits, visit: PageVisit, *, name: str
    ) -> web.StreamResponse:
        """Redirect to the file of a page with one; of others, give the list of addresses."""
        content = visit.content
        if visit.state is PageState.OPEN and content is not None and len(content.files) > 1:
            if name == "all.txt":
                return _respond(200, self._renderer.addresses(visit))
            return (
                _to(f"/{ask.token}") if name in NO_NAMES else self._state(ask, PageState.UNKNOWN)
            )
        return await self._named(ask, visits, visit, number="1", name=name)

    async def _named(
        self, ask: Ask, visits: PageVisits, visit: PageVisit, *, number: str, name: str
    ) -> web.StreamResponse:
        """Redirect to a file, or to the page from an address that is not of a file."""
        if visit.state is PageState.OPEN and name in NO_NAMES:
            file = _numbered(visit, number)
            if file is None or file.name != name:
                return _to(f"/{ask.token}")
        return await self._download(ask, visits, visit, number=number)

    async def _download(
        self, ask: Ask, visits: PageVisits, visit: PageVisit, *, number: str, inline: bool = False
    ) -> web.StreamResponse:
        """Redirect to a file."""
        if visit.state is PageState.LOCKED:
            self._metrics.page_refused(PageState.LOCKED)
            return self._needs_password(ask)
        if ask.only_looks and _is_limited(visit):
            self._metrics.page_refused(PageRefusal.PREVIEW)
            return _to(f"/{ask.token}")
        file = _numbered(visit, number)
        if inline and (file is None or _is_limited(visit) or not _is_shown(visits, file)):
            return self._state(ask, PageState.UNKNOWN)
        wanted = DownloadRequest(
            number=int(number) if file is not None else 0,
            method=ask.method,
            begins=ask.begins_file,
            inline=inline,
        )
        return self._redirect(ask, await visits.download(visit, wanted))

    async def _press(
        self, ask: Ask, visits: PageVisits, visit: PageVisit, *, number: int
    ) -> web.StreamResponse:
        """Redirect to a file for the button of a limited one, or for a program that sends the
        password with the form.
        """
        if visit.state is PageState.LOCKED and visit.content is not None:
            problem = await self._problem_of(ask, visit.content.page)
            if problem is not None:
                return problem
            visit = await visits.look(ask.token, lambda _: True)
        return self._redirect(ask, await visits.download(visit, DownloadRequest(number)))

    async def _enter(self, ask: Ask, visits: PageVisits, visit: PageVisit) -> web.StreamResponse:
        """Open a page for a while for the visitor who knows its password."""
        if visit.state is PageState.OPEN:
            return _to(f"/{ask.token}")
        if visit.state is not PageState.LOCKED or visit.content is None:
            return await self._show(ask, visits, visit)
        page = visit.content.page
        if (problem := await self._problem_of(ask, page)) is not None:
            return problem
        response = _to(f"/{ask.token}?{ENTERED}")
        response.set_cookie(
            COOKIE,
            self._passes.issue(page),
            max_age=int(PASS_LIFETIME.total_seconds()),
            path=f"/{ask.token}",
            secure=self._origin.startswith("https:"),
            httponly=True,
            samesite="Lax",
        )
        return response

    async def _report(self, ask: Ask, visits: PageVisits, visit: PageVisit) -> web.Response:
        """Tell the admins of a page that can be seen, and thank the visitor."""
        if visit.state is not PageState.OPEN or visit.content is None or visits.reports is None:
            state = PageState.UNKNOWN if visit.state is PageState.OPEN else visit.state
            return await self._show(ask, visits, replace(visit, state=state))
        if wait := self._reports.wait(ask.visitor):
            self._metrics.page_refused(PageRefusal.THROTTLED)
            return self._say(ask, 429, "title-busy", "busy-hint", wait=wait)
        self._reports.tried(ask.visitor)
        await visits.reports.report(visit.content)
        return await self._show(ask, visits, visit, reported=True)

    async def _problem_of(self, ask: Ask, page: Page) -> web.Response | None:
        """Return what to answer to a form without the right password, `None` for the right one."""
        form = await read_form(ask.request)
        if isinstance(form, int):
            self._metrics.page_refused(PageRefusal.MALFORMED)
            return _respond(form, f"{form}\n", close=True)
        if "password" not in form:
            # The button of a page that was open before: nothing wrong was given.
            self._metrics.page_refused(PageState.LOCKED)
            return self._needs_password(ask)
        password, text = form["password"], self._renderer.texts(ask.language)
        wait = self._guard.wait(page, ask.visitor)
        if wait:
            self._metrics.page_refused(PageRefusal.THROTTLED)
            return self._locked(ask, 429, text("password-wait", seconds=_seconds(wait)), wait)
        self._guard.tried(page, ask.visitor)
        if await self._passwords.verify(page.options.password_hash or "", password):
            self._guard.was_right(page, ask.visitor)
            return None
        self._metrics.page_refused(PageRefusal.PASSWORD)
        return self._locked(ask, 403, text("password-wrong"))

    def _redirect(self, ask: Ask, download: PageDownload) -> web.Response:
        if download.url:
            response = _to(download.url)
            if ask.is_curl:
                name = _NO_NAME.sub("_", download.name)
                response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
            return response
        if download.state is PageState.LOCKED:
            return self._needs_password(ask)
        return self._state(ask, download.state, at=download.ended_at)

    def _needs_password(self, ask: Ask) -> web.Response:
        return _to(f"/{ask.token}") if ask.wants_html else self._locked(ask, 403)

    def _locked(
        self, ask: Ask, status: int = 200, problem: str = "", wait: timedelta | None = None
    ) -> web.Response:
        if not ask.wants_html:
            url = f"{self._origin}/{ask.token}/1/get"
            text = problem or self._renderer.texts(ask.language)("text-locked", url=url)
            return _respond(status, f"{text}\n", wait=wait)
        shown = self._renderer.locked(ask.language, ask.token, problem)
        return _page(status, shown, "'self'", wait=wait)

    def _state(self, ask: Ask, state: PageState, *, at: datetime | None = None) -> web.Response:
        title, hint = TITLES[state]
        back = f"/{ask.token}" if state is PageState.USED_UP else ""
        return self._say(ask, STATUS[state], title, hint, at=at, back=back)

    def _throttled(self, ask: Ask) -> web.Response:
        self._metrics.page_refused(PageRefusal.THROTTLED)
        return self._say(ask, 429, "title-busy", "busy-hint", wait=RETRY)

    def _say(  # noqa: PLR0913 -- what a message may have, by keyword.
        self,
        ask: Ask,
        status: int,
        title: str,
        hint: str,
        *,
        at: datetime | None = None,
        back: str = "",
        wait: timedelta | None = None,
    ) -> web.Response:
        if ask.wants_html:
            shown = self._renderer.message(ask.language, title, hint, at=at, back=back)
            return _page(status, shown, "'none'", wait=wait)
        t = self._renderer.texts(ask.language)
        when = f" {moment(at).text}" if at is not None else ""
        return _respond(status, f"{t(title)}. {t(hint)}{when}\n", wait=wait)

    def _is_foreign(self, request: web.BaseRequest) -> bool:
        """Return whether another site has sent a form. With our referrer policy browsers send the
        origin `null`; those that do not say `Sec-Fetch-Site` are not told apart.
        """
        site = request.headers.get("Sec-Fetch-Site", "")
        if site:
            return site not in {"same-origin", "none"}
        origin = request.headers.get("Origin", "null")
        return origin not in {"null", self._origin}

    def _targets(self, visits: PageVisits, content: PageContent) -> str:
        """Return where forms may lead. Some browsers look at redirects too."""
        stores = {visits.signer.origin_of(file.stored.placement) for file in content.files}
        return " ".join(["'self'", *sorted(stores)])


def _numbered(visit: PageVisit, number: str) -> PageFile | None:
    return visit.file(int(number)) if _NUMBER.fullmatch(number) else None


def _is_limited(visit: PageVisit) -> bool:
    return visit.content is not None and visit.content.page.options.most_downloads is not None


def _is_shown(visits: PageVisits, file: PageFile) -> bool:
    return can_be_shown(file) and visits.signer.shows_inline(file.stored.placement)


def _seconds(wait: timedelta) -> int:
    return -(-wait // timedelta(seconds=1))


def _respond(
    status: int,
    text: str,
    *,
    kind: str = "text/plain",
    wait: timedelta | None = None,
    close: bool = False,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Return an answer of a kind of text."""
    # Encoded here: the library takes longer to find out how.
    told = {"Content-Type": f"{kind}; charset=utf-8", **(headers or {})}
    response = web.Response(status=status, body=text.encode(), headers=told)
    if wait is not None:
        response.headers["Retry-After"] = str(_seconds(wait))
    if close:
        response.force_close()
    return response


def _page(status: int, html: str, targets: str, *, wait: timedelta | None = None) -> web.Response:
    policy = {"Content-Security-Policy": POLICY.format(targets=targets)}
    return _respond(status, html, kind="text/html", wait=wait, headers=policy)


def _to(url: str) -> web.Response:
    return _respond(303, "", headers={"Location": url})
