"""Answers to `relay-bot init`: checks, each made as soon as the answer is given, and the files
that hold them.
"""

import json
import os
import re
import secrets
import tomllib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Final

from bot.adapters.oss.access_checks import AnonymousAnswer, open_anonymously
from bot.adapters.oss.administration import BucketAdministration, BucketInfo
from bot.adapters.telegram.inspection import BotProfile, MessageAuthor, open_examination
from bot.adapters.telegram.languages import ENGLISH
from bot.adapters.telegram.request import TokenRefused
from bot.cli.common import CommandFailed, say, spoken
from bot.clock import SystemClock
from bot.core.errors import ChatUnavailable, StoreError, StoreForbidden, StoreUnavailable
from bot.settings import Settings, SettingsError, load
from bot.wiring.resources import open_store_access, plain

_UNANSWERED: Final = {
    "RELAY_TELEGRAM__TOKEN": "1:not-answered-yet",
    "RELAY_OSS__BUCKET": "not-answered-yet",
    "RELAY_OSS__ACCESS_KEY_ID": "not-answered-yet",
    "RELAY_OSS__ACCESS_KEY_SECRET": "not-answered-yet",
}
"""Place-holders, so that one answer can be checked before the others are given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Answers as texts; "" is one that was not given, or for which the default is used."""

    token: str = field(default="", repr=False)
    base_url: str = ""
    telegram_proxy: str = field(default="", repr=False)
    access_key_id: str = ""
    access_key_secret: str = field(default="", repr=False)
    region: str = ""
    endpoint: str = ""
    oss_proxy: str = field(default="", repr=False)
    bucket: str = ""
    mode: str = ""
    admins: tuple[int, ...] = ()

    def values(self) -> dict[str, str | list[int]]:
        """Return the given answers, by the dotted keys of the settings."""
        texts = {
            "telegram.token": self.token,
            "telegram.base_url": self.base_url,
            "telegram.proxy": self.telegram_proxy,
            "oss.bucket": self.bucket,
            "oss.region": self.region,
            "oss.endpoint": self.endpoint,
            "oss.access_key_id": self.access_key_id,
            "oss.access_key_secret": self.access_key_secret,
            "oss.proxy": self.oss_proxy,
            "link.mode": self.mode,
        }
        given: dict[str, str | list[int]] = {key: text for key, text in texts.items() if text}
        # Admins may do all that users may; the user ids of the example belong to no real user.
        return given | {"access.users": [], "access.admins": list(self.admins)}

    def variables(self) -> dict[str, str]:
        """Return the answers as environment variables, with place-holders for missing ones."""
        given = {
            f"RELAY_{key.upper().replace('.', '__')}": value
            if isinstance(value, str)
            else ",".join(map(str, value))
            for key, value in self.values().items()
        }
        return _UNANSWERED | given


POLL_SECONDS = 10
"""Time that the server may hold one poll for messages."""


class BadAnswer(Exception):
    """An answer cannot be right; the text has the reason, and never repeats a secret."""


class Unreachable(BadAnswer):
    """Telegram gives no answer; the text has the reason."""


class NoRights(BadAnswer):
    """The key is known, and may not do this; the text is what OSS said."""


def region_of(text: str) -> str:
    """Return the id of a region that was copied from the console, which writes `oss-cn-hongkong`,
    or from an endpoint.
    """
    host = text.strip().lower().rpartition("//")[2].partition("/")[0]
    return host.removesuffix(".aliyuncs.com").removesuffix("-internal").removeprefix("oss-")


def settings_of(draft: Draft) -> Settings:
    """Return the settings with these answers, and place-holders for the others.

    Raises:
        BadAnswer: an answer is not allowed.
    """
    try:
        return load(None, draft.variables())
    except SettingsError as error:
        raise BadAnswer("; ".join(error.problems)) from error


async def find_bot(draft: Draft) -> BotProfile:
    """Return the bot of the token, by `getMe`.

    Raises:
        Unreachable: no answer came.
        BadAnswer: there is no such bot, or an answer is not allowed.
    """
    settings = settings_of(draft)
    try:
        async with open_examination(
            draft.token,
            base_url=settings.telegram.base_url,
            proxy=plain(settings.telegram.proxy),
        ) as bot:
            return await bot.profile()
    except TokenRefused as error:
        raise BadAnswer(str(error)) from error
    except ChatUnavailable as error:
        server = settings.telegram.base_url
        raise Unreachable(say("init-telegram-away", server=server, why=str(error))) from error


async def watch_writers(draft: Draft) -> AsyncIterator[list[MessageAuthor]]:
    """Wait for private messages to the bot, and yield their authors, every few seconds, without
    end.

    Nothing is confirmed: the bot gets the same messages once it runs. A webhook is not removed.

    Raises:
        BadAnswer: Telegram gives no answer, or a webhook is set and takes the messages.
    """
    settings = settings_of(draft)
    try:
        async with open_examination(
            draft.token,
            base_url=settings.telegram.base_url,
            proxy=plain(settings.telegram.proxy),
        ) as bot:
            if await bot.webhook():
                raise BadAnswer(say("init-admin-webhook"))
            while True:
                yield await bot.wait_for_writers(POLL_SECONDS)
    except (TokenRefused, ChatUnavailable) as error:
        raise BadAnswer(str(error)) from error


async def check_region(draft: Draft) -> None:
    """Ask the endpoint of the region without a key, to check whether OSS is there.

    Raises:
        BadAnswer: no answer came, or something else answers there.
    """
    settings = settings_of(draft)
    endpoint, region = settings.oss.endpoint, settings.oss.region
    async with open_store_access(settings, SystemClock()) as line:

        def ask() -> AnonymousAnswer:
            return open_anonymously(line.oss, f"{endpoint}/", b"")

        try:
            answer = await line.threads.call(ask)
        except StoreUnavailable as error:
            text = say("init-region-bad", endpoint=endpoint, why=str(error), region=region)
            raise BadAnswer(text) from error
    if not answer.from_oss:
        raise BadAnswer(say("init-region-other", endpoint=endpoint, status=str(answer.status)))


async def check_key(draft: Draft) -> None:
    """Sign one call that names no bucket, to check whether OSS knows the key.

    Raises:
        BadAnswer: OSS does not know it, or the region does not exist, or there is no answer.
    """
    async with open_store_access(settings_of(draft), SystemClock()) as line:
        administration = BucketAdministration(line.oss)
        try:
            await line.threads.call(administration.account_blocks_public_access)
        except StoreForbidden:
            # The key is known and lacks this right, as it should.
            return
        except StoreError as error:
            raise BadAnswer(str(error)) from error


async def find_bucket(draft: Draft) -> BucketInfo | None:
    """Return the bucket, `None` if there is none of this name.

    Raises:
        NoRights: the key may not look at it, or it belongs to another account.
        BadAnswer: it is in another region, or there is no answer.
    """
    async with open_store_access(settings_of(draft), SystemClock()) as line:
        administration = BucketAdministration(line.oss)
        try:
            return await line.threads.call(administration.info)
        except StoreForbidden as error:
            raise NoRights(str(error)) from error
        except StoreError as error:
            raise BadAnswer(str(error)) from error


UNFINISHED: Final = ".part"
"""Behind the name of the settings file, where the answers of an interview that was stopped are."""


def unfinished_of(path: Path) -> Path:
    """Return the file for the answers of an unfinished interview."""
    return path.with_name(path.name + UNFINISHED)


_SECTION = re.compile(r"\[([a-z]+)\]")
_SETTING = re.compile(r"#?(?: e\.g\. )?([a-z_]+) = ")


def example(tag: str = ENGLISH) -> str:
    """Return the text of `settings.example.toml`, or of its twin in another language, from the
    package or the source tree.
    """
    name = "example.toml" if tag == ENGLISH else f"example.{tag}.toml"
    packaged = resources.files("bot.settings") / name
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    return (Path(__file__).parents[3] / f"settings.{name}").read_text(encoding="utf-8")


def render(values: Mapping[str, str | list[int]]) -> str:
    """Return the example with these values, by dotted key, in the lines of the settings. It is in
    the language of this process.

    Raises:
        LookupError: the example has no line for one of them.
    """
    section, left, lines = "", dict(values), []
    for line in example(spoken()).splitlines():
        if found := _SECTION.fullmatch(line):
            section = found[1]
        setting = _SETTING.match(line)
        key = f"{section}.{setting[1]}" if setting else ""
        # JSON's strings and lists of numbers are valid TOML.
        lines.append(
            f"{key.partition('.')[2]} = {json.dumps(left.pop(key), ensure_ascii=False)}"
            if key in left
            else line
        )
    if left:
        raise LookupError(f"the example does not show {', '.join(left)}")
    return "\n".join(lines) + "\n"


def render_answers(values: Mapping[str, str | list[int]]) -> str:
    """Return these values, by dotted key, as TOML that `read_answers` reads."""
    # A dotted key and JSON's strings are valid TOML.
    return "".join(
        f"{key} = {json.dumps(value, ensure_ascii=False)}\n"
        for key, value in values.items()
        if isinstance(value, str)
    )


def read_answers(path: Path) -> dict[str, str]:
    """Return the answers by dotted key; those that are no text are left out.

    Raises:
        CommandFailed: the file cannot be read.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise CommandFailed(say("init-unreadable", file=str(path), why=why or "")) from error
    return {
        f"{section}.{key}": value
        for section, values in found.items()
        if isinstance(values, dict)
        for key, value in values.items()
        if isinstance(value, str)
    }


def write_settings(path: Path, text: str, *, force: bool) -> None:
    """Write the file atomically, readable by its owner only.

    Raises:
        CommandFailed: it exists already and must not be overwritten, or cannot be written.
    """
    if path.exists() and not force:
        raise CommandFailed(say("init-exists-fail", file=str(path)))
    write_privately(path, text)


def write_privately(path: Path, text: str) -> None:
    """Write or replace a file atomically, readable by its owner only.

    Raises:
        CommandFailed: it cannot be written.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        text = say("init-unwritable", file=str(path), why=error.strerror or "")
        raise CommandFailed(text) from error
