"""Answers to `relay-bot init`, and the check of each, made as soon as it is given."""

import asyncio
import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit

from bot.adapters.oss.administration import BucketAdministration, BucketInfo
from bot.adapters.oss.policies import Policy
from bot.adapters.telegram.inspection import BotProfile, MessageAuthor, open_examination
from bot.adapters.telegram.request import TokenRefused
from bot.cli.common import named, say
from bot.cli.doctor.telegram import find_pages
from bot.cli.setup import policy_of, run_setup
from bot.cli.setup.plan import desired_for
from bot.clock import SystemClock
from bot.core.errors import (
    ChatUnavailable,
    StoreError,
    StoreForbidden,
    StoreKeyRefused,
    StoreUnavailable,
    WrongRegion,
)
from bot.core.files import LinkMode
from bot.settings import Settings, SettingsError, load
from bot.wiring.resources import open_store_access, plain

_UNANSWERED: Final = {
    "RELAY_TELEGRAM__TOKEN": "1:not-answered-yet",
    "RELAY_OSS__BUCKET": "not-answered-yet",
    "RELAY_OSS__ACCESS_KEY_ID": "not-answered-yet",
    "RELAY_OSS__ACCESS_KEY_SECRET": "not-answered-yet",
}
"""Place-holders, so that one answer can be checked before the others are given."""

_KEYS: Final = {
    "token": "telegram.token",
    "base_url": "telegram.base_url",
    "proxy": "telegram.proxy",
    "bucket": "oss.bucket",
    "region": "oss.region",
    "endpoint": "oss.endpoint",
    "access_key_id": "oss.access_key_id",
    "access_key_secret": "oss.access_key_secret",
    "oss_proxy": "oss.proxy",
    "mode": "link.mode",
    "url": "web.url",
    "port": "web.port",
}
PAGES_PORT: Final = "8080"
"""The port of the web server where pages are chosen and no other is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Answers as texts; "" is one that was not given, or for which the default is used."""

    token: str = field(default="", repr=False)
    base_url: str = ""
    proxy: str = field(default="", repr=False)
    access_key_id: str = ""
    access_key_secret: str = field(default="", repr=False)
    region: str = ""
    endpoint: str = ""
    oss_proxy: str = field(default="", repr=False)
    bucket: str = ""
    mode: str = ""
    url: str = ""
    port: str = ""
    admins: tuple[int, ...] = ()

    @classmethod
    def of(cls, values: Mapping[str, object]) -> "Draft":
        """Return the answers among values by dotted key."""
        given: dict[str, Any] = {
            name: str(values[key]) for name, key in _KEYS.items() if key in values
        }
        admins = values.get("access.admins")
        ids = (
            [item for item in admins if isinstance(item, int)] if isinstance(admins, list) else []
        )
        return replace(cls(**given), admins=tuple(ids))

    def with_proxy(self, name: str, url: str) -> "Draft":
        """Return the answers with a proxy, stored as `name`."""
        url = with_scheme(url)
        return replace(self, proxy=url) if name == "proxy" else replace(self, oss_proxy=url)

    def values(self) -> dict[str, str | int | list[int]]:
        """Return the given answers, by the dotted keys of the settings."""
        given: dict[str, str | int | list[int]] = {
            key: int(text) if name == "port" and text.isdecimal() else text
            for name, key in _KEYS.items()
            if (text := getattr(self, name))
        }
        # Admins may do all that users may; the user ids of the example belong to no real user.
        return given | {"access.users": [], "access.admins": list(self.admins)}

    def variables(self) -> dict[str, str]:
        """Return the answers as environment variables, with place-holders for missing ones."""
        given = {
            f"RELAY_{key.upper().replace('.', '__')}": ",".join(map(str, value))
            if isinstance(value, list)
            else str(value)
            for key, value in self.values().items()
        }
        if self.mode == LinkMode.PAGE and not self.url:
            del given["RELAY_LINK__MODE"]  # It is one answer with the next one.
        return _UNANSWERED | given


class BadAnswer(Exception):
    """An answer cannot be right; the text has the reason, and never repeats a secret."""


class Unreachable(BadAnswer):
    """No answer from the other side: the network may need a proxy for it."""


class KeyRefused(Exception):
    """OSS does not know the key, or its secret is another one."""


class Elsewhere(BadAnswer):
    """The bucket is in another region."""

    def __init__(self, text: str, region: str) -> None:
        super().__init__(text)
        self.region = region


class RegionRefused(BadAnswer):
    """The endpoint is not in the region; `near` is a region to try instead, "" for none."""

    def __init__(self, text: str, near: str) -> None:
        super().__init__(f"{text}; {say('init-meant', region=near)}" if near else text)
        self.near = near


class LacksRights(BadAnswer):
    """OSS knows the key, which lacks a right for what was tried."""


def draft_settings(draft: Draft) -> Settings:
    """Return the settings of the answers so far.

    Raises:
        BadAnswer: one of them is not allowed.
    """
    try:
        return load(None, draft.variables())
    except SettingsError as error:
        raise BadAnswer("; ".join(map(_explain, error.problems))) from error


def _explain(problem: str) -> str:
    key = problem.partition(":")[0]
    allowed = named("allowed", key.replace(".", "-"))
    if allowed.startswith("allowed-") or "not allowed" not in problem:
        return problem
    return say("init-not-allowed", key=key, allowed=allowed)


_TOKEN: Final = re.compile(r"(?<!\d)[1-9]\d{0,19}:[A-Za-z0-9_-]{10,60}")


def find_token(text: str) -> str:
    """Return the token in what was pasted: the token, one with "bot" before it, as in URLs, or a
    sentence of BotFather.
    """
    found = _TOKEN.search(text)
    return found[0] if found else text


def plain_region(text: str) -> str:
    """Return the region's id of what the console shows: `oss-cn-hongkong`, or an endpoint."""
    host = urlsplit(text if "://" in text else f"//{text}").hostname or text
    name = re.sub(r"(-internal)?\.aliyuncs\.com$", "", host.strip().lower())
    return re.sub(r"\s+", "-", name.rpartition(".")[2].removeprefix("oss-"))


def with_scheme(proxy: str) -> str:
    """Return a proxy as a URL; without a scheme it is an HTTP proxy."""
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def origin_of(host: str) -> str:
    """Return the address of the pages for what may be a host name only."""
    return (host if "://" in host else f"https://{host}").rstrip("/")


async def check_pages(draft: Draft) -> None:
    """Look whether the address of the pages leads to this machine.

    Raises:
        PagesElsewhere: it does not, for now.
        BadAnswer: it cannot be one.
    """
    await find_pages(draft_settings(draft))


def order_key(first: str, second: str) -> tuple[str, str]:
    """Return id and secret of an access key. Ids begin with LTAI, and secrets do not (source: RAM
    documentation, "Create an AccessKey pair"), so two that were swapped are put right.

    Raises:
        BadAnswer: both are ids.
    """
    if not second.startswith("LTAI"):
        return first, second
    if first.startswith("LTAI"):
        raise BadAnswer(say("init-id-twice"))
    return second, first


async def find_bot(draft: Draft) -> BotProfile:
    """Return the bot of the token, by `getMe`.

    Raises:
        BadAnswer: there is no such bot, or no answer.
    """
    settings = draft_settings(draft)
    with _telegram_answers(settings):
        async with open_examination(
            draft.token,
            base_url=settings.telegram.base_url,
            proxy=plain(settings.telegram.proxy),
        ) as bot:
            return await bot.profile()


@contextmanager
def _telegram_answers(settings: Settings) -> Iterator[None]:
    try:
        yield
    except TokenRefused as error:
        raise BadAnswer(say("init-token-refused")) from error
    except ChatUnavailable as error:
        if "HTTP " in str(error):  # There was an answer.
            raise BadAnswer(str(error)) from error
        host = urlsplit(settings.telegram.base_url).hostname
        raise Unreachable(say("init-no-telegram", host=host, why=error)) from error


POLL_SECONDS: Final = 10
"""Time that the server may hold one poll for messages."""


BETWEEN_POLLS: Final = 1.0
"""Seconds; a poll returns at once while there are messages, those of others too."""


async def find_writers(
    draft: Draft, patience: float, declined: Collection[int]
) -> list[MessageAuthor]:
    """Wait for private messages to the bot, at most `patience` seconds, and return their authors,
    the latest first; those whose ids were `declined` only if there are no others.

    Nothing is confirmed: the bot gets the same messages once it runs. A webhook is not removed.

    Raises:
        BadAnswer: Telegram gives no answer, or a webhook is set and takes the messages.
    """
    settings = draft_settings(draft)
    ends = asyncio.get_running_loop().time() + patience
    with _telegram_answers(settings):
        async with open_examination(
            draft.token,
            base_url=settings.telegram.base_url,
            proxy=plain(settings.telegram.proxy),
        ) as bot:
            if await bot.webhook():
                raise BadAnswer(say("init-webhook"))
            while True:
                left = ends - asyncio.get_running_loop().time()
                writers = await bot.wait_for_writers(max(0, min(POLL_SECONDS, int(left))))
                fresh = [writer for writer in writers if writer.id not in declined]
                if fresh or left <= 0:
                    return fresh or writers
                await asyncio.sleep(BETWEEN_POLLS)


# fmt: off
REGIONS: Final = (
    "cn-hangzhou", "cn-shanghai", "cn-nanjing", "cn-fuzhou", "cn-wuhan-lr", "cn-qingdao",
    "cn-beijing", "cn-zhangjiakou", "cn-huhehaote", "cn-wulanchabu", "cn-shenzhen", "cn-heyuan",
    "cn-guangzhou", "cn-chengdu", "cn-hongkong", "us-west-1", "us-east-1", "na-south-1",
    "ap-northeast-1", "ap-northeast-2", "ap-southeast-1", "ap-southeast-3", "ap-southeast-5",
    "ap-southeast-6", "ap-southeast-7", "eu-central-1", "eu-west-1", "me-east-1", "me-central-1",
)
# fmt: on
"""For a hint only, because there will be others (source: OSS documentation, "Regions and
endpoints").
"""


async def check_region(draft: Draft) -> None:
    """Look whether OSS answers in the region, before there is a key.

    Raises:
        RegionRefused: the region cannot be one, or the endpoint is not in it.
        Unreachable: there is no answer: no such region, or no way to it.
    """
    try:
        settings = draft_settings(draft)
    except BadAnswer as error:
        raise RegionRefused(str(error), _near(draft)) from error
    if region_of(settings.oss.endpoint) not in {"", draft.region}:
        raise _refused_region(draft)
    try:
        await _ask_for_block(settings)
    except StoreUnavailable as error:
        where = urlsplit(settings.oss.endpoint).hostname
        text = say("init-no-oss", where=where, why=error)
        if near := _near(draft):
            text = f"{text}; {say('init-meant', region=near)}"
        raise Unreachable(text) from error
    except WrongRegion as error:
        raise _refused_region(draft) from error
    except StoreError:
        # Any answer will do: the key is a place-holder, which OSS does not know.
        return


def region_of(endpoint: str) -> str:
    """Return the region that an endpoint of OSS names, "" for any other address."""
    found = _ENDPOINT.search(urlsplit(endpoint).hostname or "")
    return found[1] if found else ""


def _near(draft: Draft) -> str:
    """Return the region that was probably meant, "" if none is like it."""
    known = region_of(draft.endpoint)
    alike = [known] if known else difflib.get_close_matches(draft.region, REGIONS, n=1)
    return next((region for region in alike if region != draft.region), "")


def _refused_region(draft: Draft) -> RegionRefused:
    where = urlsplit(draft_settings(draft).oss.endpoint).hostname
    return RegionRefused(
        say("init-region-refused", where=where, region=draft.region), _near(draft)
    )


async def _ask_for_block(settings: Settings) -> None:
    async with open_store_access(settings, SystemClock()) as line:
        administration = BucketAdministration(line.oss)
        await line.threads.call(administration.account_blocks_public_access)


async def check_key(draft: Draft) -> None:
    """Sign one call that names no bucket, to check whether OSS knows the key.

    Raises:
        KeyRefused: OSS does not know it.
        RegionRefused: the endpoint is not in the region. The order in which OSS looks at key and
            region is not documented, so this may come out with a key that exists only.
        BadAnswer: there is no usable answer.
    """
    try:
        await _ask_for_block(draft_settings(draft))
    except StoreForbidden:
        # The key is known and lacks this right, as it should.
        return
    except StoreKeyRefused as error:
        raise KeyRefused(str(error)) from error
    except WrongRegion as error:
        raise _refused_region(draft) from error
    except StoreError as error:
        raise BadAnswer(str(error)) from error


async def find_bucket(draft: Draft) -> BucketInfo | None:
    """Return the bucket, `None` if there is none of this name.

    Raises:
        BadAnswer: it is in another region, or belongs to another account, or there is no answer.
        LacksRights: the key may not look at it.
    """
    async with open_store_access(draft_settings(draft), SystemClock()) as line:
        administration = BucketAdministration(line.oss)
        try:
            return await line.threads.call(administration.info)
        except StoreForbidden as error:
            if _NOT_YOURS in str(error):
                raise BadAnswer(say("init-not-yours", why=error)) from error
            raise LacksRights(str(error)) from error
        except WrongRegion as error:
            if found := _ENDPOINT.search(str(error)):
                raise Elsewhere(str(error), found[1]) from error
            raise BadAnswer(str(error)) from error
        except StoreError as error:
            raise BadAnswer(str(error)) from error


_NOT_YOURS: Final = "does not belong to you"
"""In the AccessDenied for a bucket of another account (source: OSS documentation, "HTTP status
code 403").
"""
_ENDPOINT: Final = re.compile(r"oss-([a-z]{2}-[a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com")
"""Not those of transfer acceleration, which name no region."""


async def create_bucket(draft: Draft) -> None:
    """Create the bucket and set it up.

    Raises:
        LacksRights: the key may not create it.
        BadAnswer: OSS refuses it, because the name is taken for example.
    """
    chosen = draft_settings(draft)
    outcome = await run_setup(chosen, desired_for(chosen), agree=lambda _: False)
    for refused in outcome.refused:
        if refused.is_forbidden:
            raise LacksRights(refused.why)
        if refused.change.creates:
            raise BadAnswer(refused.why)


def needed_policy(draft: Draft) -> Policy:
    """Return the RAM policy with which the key can do all that init, setup, doctor and run do."""
    return policy_of(draft_settings(draft), setup=True)
