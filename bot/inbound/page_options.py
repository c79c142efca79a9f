"""Options of the pages behind links: the buttons that change them, and what is sent about them."""

import asyncio
import hashlib
import hmac
import io
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog

from bot.core.errors import MessageRefused
from bot.core.files import clean_name, is_open
from bot.core.jobs import Job
from bot.core.ports import Clock
from bot.core.ports.ledger import Ledger, OutboxKind, OutboxMessage, Priority
from bot.core.ports.pages import PageContent, PasswordHasher, Tell
from bot.core.ports.views import (
    PageMenu,
    PageOption,
    PagePassword,
    PageQr,
    PageReport,
    View,
)
from bot.inbound.access import Access, Replies, RequestKind
from bot.inbound.actions import TOO_LATE, ButtonPress, ButtonReplies
from bot.inbound.uploads import Uploads
from bot.jobs.runner import Signals
from bot.outbound.views import PageViews

log = structlog.stdlib.get_logger(__name__)

IN_GROUPS: Final = frozenset(
    {
        PageOption.MENU,
        PageOption.EXPIRES,
        PageOption.PAUSE,
        PageOption.ADDRESS,
        PageOption.ARM,
        PageOption.AGAIN,
    }
)
"""Options of an answer in a group where only some are offered."""
PASSWORD_WORDS: Final = 4
"""Words of a password, of 2,048 that differ in their first four letters (source: BIP-0039): 44
bits, which wrong ones that are slowed down do not find within a day.
"""
LONGEST_SENDER: Final = 64
"""Characters of a name that a page shows; Telegram's own are at most as long each."""
MOST_VALUE: Final = 1_000_000
"""Values in the data of buttons are below."""


@dataclass(frozen=True, slots=True)
class PagePress:
    """The press of a button about a page. `name` is that of the person, as Telegram knows it."""

    query: ButtonPress
    option: PageOption
    job_id: int
    value: int = 0
    name: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class PageParts:
    """What pages are changed with. `link_clock` is that of deadlines; `secret` makes passwords."""

    views: PageViews
    hasher: PasswordHasher
    link_clock: Clock
    secret: bytes = field(repr=False)
    signals: Signals


class PagePasswords:
    """Makes the same password from the same seed, so that no password is stored. `secret` is the
    bot's token.
    """

    def __init__(self, secret: bytes) -> None:
        # A derived key, so that no password reveals anything about the token.
        self._key = hmac.digest(secret, b"file-relay-bot page passwords", hashlib.sha256)

    async def make(self, seed: str) -> str:
        """Return four words that only this bot can make from `seed`."""
        # The first one reads a file.
        return await asyncio.to_thread(self._make, seed)

    def _make(self, seed: str) -> str:
        # Only where a password is asked for.
        from mnemonic import Mnemonic

        words = Mnemonic("english").wordlist
        number = int.from_bytes(hmac.digest(self._key, seed.encode(), hashlib.sha256))
        chosen = []
        for _ in range(PASSWORD_WORDS):
            number, index = divmod(number, len(words))
            chosen.append(words[index])
        return " ".join(chosen)


class PageActions:
    """Changes pages, and returns the name of the sentence about the result, if there is one to
    say. Access is checked by the caller.

    Every press may come twice, late, or after a restart.
    """

    def __init__(
        self, ledger: Ledger, parts: PageParts, uploads: Uploads, replies: Replies, clock: Clock
    ) -> None:
        self._jobs = ledger.jobs
        self._objects = ledger.objects
        self._pages = ledger.pages
        self._parts = parts
        self._views = parts.views
        self._uploads = uploads
        self._replies = replies
        self._clock = clock
        self._passwords = PagePasswords(parts.secret)
        self._making = asyncio.Lock()
        self._serve: dict[
            PageOption, Callable[[PagePress, PageContent], Awaitable[str | None]]
        ] = {
            PageOption.EXPIRES: self._expires,
            PageOption.DOWNLOADS: self._downloads,
            PageOption.PASSWORD: self._password,
            PageOption.QR: self._qr,
            PageOption.PAUSE: self._pause,
            PageOption.ADDRESS: self._address,
            PageOption.TELL: self._tell,
            PageOption.ARM: self._arm,
            PageOption.NAME: self._name,
            PageOption.REMOVE: self._remove,
        }

    async def content(self, job_id: int) -> PageContent | None:
        """Return the page of a job."""
        return (await self._pages.of_jobs([job_id])).get(job_id)

    async def apply(self, press: PagePress, job: Job) -> str | None:
        """Perform what a button of a page asks for."""
        content = await self.content(job.id)
        if content is None:
            return "press-unknown"
        if press.option is PageOption.AGAIN:
            return await self._again(press, content)
        if not content.open_files(self._parts.link_clock.now()):
            return TOO_LATE
        if self._views.is_few(press.query.chat_id) and press.option not in IN_GROUPS:
            return "page-not-in-groups"
        if press.option is PageOption.MENU:
            return await self._menu(press, content)
        self._views.show(content, PageMenu.MAIN)
        said = await self._serve[press.option](press, content)
        log.info(
            "page option",
            option=press.option.value,
            job=job.id,
            by=press.query.user_id,
            answer=said or "done",
        )
        return said

    async def _menu(self, press: PagePress, content: PageContent) -> str | None:
        # A newer version may have made the button, for a menu unknown here.
        known = press.value in set(PageMenu)
        self._views.show(content, PageMenu(press.value) if known else PageMenu.MAIN)
        await self._pages.set_options(content.page.id)
        return None

    async def _remove(self, _: PagePress, content: PageContent) -> str:
        now = self._clock.now()
        removed = [file for file in content.files if await self._objects.revoke(file.job_id, now)]
        if not removed:
            return TOO_LATE
        self._parts.signals.deletions.set()
        return "page-taken-down"

    async def _expires(self, press: PagePress, content: PageContent) -> str | None:
        now = self._parts.link_clock.now()
        ends: dict[int, datetime] = {}
        for file in content.open_files(now):
            end = self._views.end_after(file.stored, press.value)
            if end is None or not is_open(end, now):
                await self._pages.set_options(content.page.id)
                return "page-past"
            ends[file.job_id] = end
        await self._pages.end_at(content.page.id, ends)
        self._parts.signals.deletions.set()
        return None

    async def _downloads(self, press: PagePress, content: PageContent) -> str | None:
        most = press.value or None
        if most != content.page.options.most_downloads:
            # So many from now on. Before the change, because a second press does not repeat it.
            await self._pages.rearm(content.page.id)
        await self._pages.set_options(content.page.id, most_downloads=most)
        return None if most is None else "page-counted"

    async def _pause(self, press: PagePress, content: PageContent) -> str | None:
        await self._pages.set_options(content.page.id, is_paused=bool(press.value))
        return "page-paused" if press.value else "page-resumed"

    async def _address(self, press: PagePress, content: PageContent) -> str | None:
        if press.value == content.page.generation:
            await self._pages.renew(content.page.id)
        else:
            await self._pages.set_options(content.page.id)
        return "page-new-address"

    async def _tell(self, press: PagePress, content: PageContent) -> str | None:
        choices = tuple(Tell)
        tell = choices[press.value] if press.value < len(choices) else Tell.OFF
        if tell is not content.page.options.tell:
            # Of those before the sender is not told.
            await self._pages.told(content.page.id, content.page.downloads)
        await self._pages.set_options(content.page.id, tell=tell.value)
        return None

    async def _arm(self, press: PagePress, content: PageContent) -> str | None:
        if press.value != content.page.downloads % MOST_VALUE:
            await self._pages.set_options(content.page.id)
            return "page-changed"
        await self._pages.rearm(content.page.id)
        return "page-armed"

    async def _name(self, press: PagePress, content: PageContent) -> str | None:
        if not press.value:
            await self._pages.set_options(content.page.id, sender=None)
            return None
        if {file.owner_id for file in content.files} != {press.query.user_id} or not press.name:
            return "page-own-name"
        # A slash is no path here.
        name = clean_name(press.name.replace("/", "_").replace("\\", "_"), fallback="?")
        await self._pages.set_options(content.page.id, sender=name[:LONGEST_SENDER])
        return None

    async def _password(self, press: PagePress, content: PageContent) -> str | None:
        if not press.value:
            await self._pages.set_options(content.page.id, password_hash=None)
            return "page-password-gone"
        async with self._making:
            return await self._make_password(press, content)

    async def _make_password(self, press: PagePress, content: PageContent) -> str:
        query, job_id = press.query, content.files[0].job_id
        present = (await self._pages.of_jobs([job_id])).get(job_id, content)
        if present.page.options.password_hash is not None:
            return "page-password-there"
        seed = f"{content.page.id}:{query.query_id}"
        hashed = await self._parts.hasher.hash(await self._passwords.make(seed))
        is_private = query.chat_id > 0
        # First: a redelivered press makes the same password, and posts nothing twice. The page is
        # closed for who has no password before it is known that the message has arrived.
        await self._post(
            press, content, seed, chat_id=query.chat_id if is_private else query.user_id
        )
        await self._pages.set_options(content.page.id, password_hash=hashed)
        return "page-password-below" if is_private else "page-password-private"

    async def _qr(self, press: PagePress, content: PageContent) -> str | None:
        await self._post(press, content, None, chat_id=press.query.chat_id)
        await self._pages.set_options(content.page.id)
        return "page-qr-below"

    async def _post(
        self, press: PagePress, content: PageContent, seed: str | None, *, chat_id: int
    ) -> None:
        """Post a password made from `seed`, or without one a QR code, at most one a minute."""
        query, job_id = press.query, content.files[0].job_id
        is_here = chat_id == query.chat_id
        payload: dict[str, str | int] = {
            "show": "qr" if seed is None else "password",
            "job": job_id,
            "where": query.chat_id,
            "message": query.message_id,
        }
        if seed is not None:
            payload["seed"] = seed
        minute = int(self._clock.now().timestamp()) // 60
        once = seed or f"{content.page.id}:{content.page.generation}:{chat_id}:{minute}"
        await self._replies.post(
            OutboxMessage(
                kind=OutboxKind.PAGE,
                priority=Priority.REPLY,
                chat_id=chat_id,
                language=query.language,
                dedupe=f"{payload['show']}:{once}",
                reply_to=query.message_id if is_here else None,
                owner_id=query.user_id,
                payload=payload,
            )
        )

    async def _again(self, press: PagePress, content: PageContent) -> str:
        if content.open_files(self._parts.link_clock.now()):
            return TOO_LATE
        jobs = await self._jobs.get_many([file.job_id for file in content.files])
        query = press.query
        is_accepted = await self._uploads.again(jobs, query.chat_id, query.message_id)
        return "page-again" if is_accepted else "press-not-yours"

    async def view(self, message: OutboxMessage) -> View:
        """Return a password, a QR code or a report; see `outbound.outbox.PageMessages`.

        Raises:
            MessageRefused: the page is gone.
        """
        content = await self.content(int(message.payload["job"]))
        if content is None or not content.files:
            raise MessageRefused("the page is gone")
        name = content.files[0].name
        if message.payload["show"] == "qr":
            return PageQr(name, await asyncio.to_thread(make_qr, self._views.url(content)))
        if message.payload["show"] == "report":
            file = content.files[0]
            count, url = len(content.files), self._views.url(content)
            return PageReport(content.page.id, file.job_id, file.owner_id, count, url)
        return PagePassword(name, await self._passwords.make(str(message.payload["seed"])))

    async def refused(self, message: OutboxMessage) -> None:
        """Remove a password that cannot be told, and say so where it was asked for."""
        told = message.payload
        if message.kind is not OutboxKind.PAGE or told["show"] != "password":
            return
        content = await self.content(int(told["job"]))
        if content is not None:
            await self._pages.set_options(content.page.id, password_hash=None)
        if told["where"] != message.chat_id:
            await self._replies.post(
                OutboxMessage(
                    kind=OutboxKind.NOTICE,
                    priority=Priority.REPLY,
                    chat_id=int(told["where"]),
                    language=message.language,
                    dedupe=f"password-lost:{message.id}",
                    reply_to=int(told["message"]),
                    payload={"name": "page-password-lost"},
                )
            )


def make_qr(url: str) -> bytes:
    """Return a PNG that phones read as `url`. Takes some milliseconds."""
    # Only where a picture is asked for.
    import segno

    picture = io.BytesIO()
    segno.make(url, error="m", micro=False).save(picture, kind="png", scale=10, border=4)
    return picture.getvalue()


class PageButtons:
    """Performs what the buttons of a page ask for if the person may.

    A page belongs to the owner of all its files. Bot admins may change it too, as may admins of
    the group that it came from; only the chat service knows the latter.
    """

    def __init__(
        self, ledger: Ledger, access: Access, actions: PageActions, replies: Replies
    ) -> None:
        self.actions = actions
        self._jobs = ledger.jobs
        self._access = access
        self._replies = replies
        self._button_replies = ButtonReplies(replies)

    async def press(self, press: PagePress) -> None:
        """Handle a press. A banned person gets no reply."""
        query = press.query
        if not await self._button_replies.hears(query):
            return
        job = await self._jobs.get(press.job_id)
        if job is None:
            await self._button_replies.answer(query, "press-unknown")
        elif self._access.is_admin(query.user_id) or await self._owns(query.user_id, job):
            await self._button_replies.answer(query, await self.actions.apply(press, job))
        elif job.origin.is_private:
            await self._button_replies.answer(query, "press-not-yours")
        else:
            await self._ask(press)

    async def _owns(self, user_id: int, job: Job) -> bool:
        if user_id != job.origin.owner_id:
            return False
        content = await self.actions.content(job.id)
        return content is None or all(file.owner_id == user_id for file in content.files)

    async def _ask(self, press: PagePress) -> None:
        query = press.query
        await self._replies.post(
            OutboxMessage(
                kind=OutboxKind.REQUEST,
                priority=Priority.PRESS,
                chat_id=query.chat_id,
                language=query.language,
                dedupe=f"press:{query.query_id}",
                owner_id=query.user_id,
                payload={
                    "do": RequestKind.OPTION.value,
                    "query_id": query.query_id,
                    "option": press.option.value,
                    "job_id": press.job_id,
                    "value": press.value,
                    "message": query.message_id,
                },
            )
        )


def press_of(request: OutboxMessage) -> PagePress:
    """Return the press that a deferred request stands for."""
    told = request.payload
    query = ButtonPress(
        query_id=str(told["query_id"]),
        user_id=request.owner_id or 0,
        chat_id=request.chat_id,
        message_id=int(told["message"]),
        language=request.language,
    )
    option = PageOption(str(told["option"]))
    return PagePress(query, option, int(told["job_id"]), int(told["value"]))
