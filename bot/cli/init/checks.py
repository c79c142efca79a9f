"""Each answer is checked where it counts, as soon as it is given."""

from collections.abc import AsyncIterator

from bot.adapters.oss.administration import BucketAdministration, BucketInfo
from bot.adapters.telegram.application import TokenRefused
from bot.adapters.telegram.examination import BotProfile, MessageAuthor, open_examination
from bot.cli.init.draft import Draft
from bot.cli.line import open_line
from bot.clock import SystemClock
from bot.core.errors import ChatUnavailable, StoreError, StoreForbidden
from bot.settings import Settings, SettingsError, load

POLL_SECONDS = 10
"""How long the server is asked to wait for a message."""


class BadAnswer(Exception):
    """An answer cannot be right; the text says why, and never repeats a secret."""


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
    """Wait for private messages to the bot, and yield who wrote, every few seconds, without end.

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
    """Sign one call that names no bucket, to see whether OSS knows the key.

    Raises:
        BadAnswer: it does not, or the region is none, or there is no answer.
    """
    async with open_line(_settings(draft), SystemClock()) as line:
        administration = BucketAdministration(line.oss)
        try:
            await line.threads.call(administration.account_blocks_public_access)
        except StoreForbidden:
            # Known, and without this right: that is how it should be.
            return
        except StoreError as error:
            raise BadAnswer(str(error)) from error


async def find_bucket(draft: Draft) -> BucketInfo | None:
    """Return the bucket, `None` if there is none of this name.

    Raises:
        BadAnswer: it is in another region, or of another account, or there is no answer.
    """
    async with open_line(_settings(draft), SystemClock()) as line:
        administration = BucketAdministration(line.oss)
        try:
            return await line.threads.call(administration.info)
        except StoreError as error:
            raise BadAnswer(str(error)) from error
