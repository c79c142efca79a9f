"""Checks of the answers to `relay-bot init`, each made as soon as the answer is given."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from bot.adapters.oss.administration import BucketAdministration, BucketInfo
from bot.adapters.telegram.inspection import BotProfile, MessageAuthor, open_examination
from bot.adapters.telegram.request import TokenRefused
from bot.clock import SystemClock
from bot.core.errors import ChatUnavailable, StoreError, StoreForbidden
from bot.settings import Settings, SettingsError, load
from bot.wiring.resources import open_store_access

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
    access_key_id: str = ""
    access_key_secret: str = field(default="", repr=False)
    region: str = ""
    endpoint: str = ""
    bucket: str = ""
    mode: str = ""
    admins: tuple[int, ...] = ()

    def values(self) -> dict[str, str | list[int]]:
        """Return the given answers, by the dotted keys of the settings."""
        renderer = {
            "telegram.token": self.token,
            "telegram.base_url": self.base_url,
            "oss.bucket": self.bucket,
            "oss.region": self.region,
            "oss.endpoint": self.endpoint,
            "oss.access_key_id": self.access_key_id,
            "oss.access_key_secret": self.access_key_secret,
            "link.mode": self.mode,
        }
        given: dict[str, str | list[int]] = {key: text for key, text in renderer.items() if text}
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


def _settings(draft: Draft) -> Settings:
    try:
        return load(None, draft.variables())
    except SettingsError as error:
        raise BadAnswer("; ".join(error.problems)) from error


async def find_bot(draft: Draft) -> BotProfile:
    """Return the bot of the token, by `getMe`.

    Raises:
        BadAnswer: there is no such bot, or no answer.
    """
    settings = _settings(draft)
    try:
        async with open_examination(
            draft.token, base_url=settings.telegram.base_url, proxy=None
        ) as bot:
            return await bot.profile()
    except (TokenRefused, ChatUnavailable) as error:
        raise BadAnswer(str(error)) from error


async def watch_writers(draft: Draft) -> AsyncIterator[list[MessageAuthor]]:
    """Wait for private messages to the bot, and yield their authors, every few seconds, without
    end.

    Nothing is confirmed: the bot gets the same messages once it runs. A webhook is not removed.

    Raises:
        BadAnswer: Telegram gives no answer, or a webhook is set and takes the messages.
    """
    settings = _settings(draft)
    try:
        async with open_examination(
            draft.token, base_url=settings.telegram.base_url, proxy=None
        ) as bot:
            if await bot.webhook():
                raise BadAnswer(
                    "a webhook is set, so messages go there; give the admin's id by --admin"
                )
            while True:
                yield await bot.wait_for_writers(POLL_SECONDS)
    except (TokenRefused, ChatUnavailable) as error:
        raise BadAnswer(str(error)) from error


async def check_key(draft: Draft) -> None:
    """Sign one call that names no bucket, to check whether OSS knows the key.

    Raises:
        BadAnswer: OSS does not know it, or the region does not exist, or there is no answer.
    """
    async with open_store_access(_settings(draft), SystemClock()) as line:
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
        BadAnswer: it is in another region, or belongs to another account, or there is no answer.
    """
    async with open_store_access(_settings(draft), SystemClock()) as line:
        administration = BucketAdministration(line.oss)
        try:
            return await line.threads.call(administration.info)
        except StoreError as error:
            raise BadAnswer(str(error)) from error
