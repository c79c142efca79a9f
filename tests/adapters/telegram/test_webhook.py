"""Telling Telegram where to deliver, and looking whether it does."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from telegram.ext import Application

from bot.adapters.ledger.database import Database
from bot.adapters.ledger.ledger import SqlDeadUpdates
from bot.adapters.telegram.application import (
    LOOK_EVERY,
    WebhookIntake,
    WebhookRefused,
    webhook_secret,
)
from bot.adapters.telegram.handlers import App, ProcessedUpdates
from bot.adapters.telegram.intake import ALLOWED_UPDATES, REMEMBERED, ForeignWebhooks, Intake
from bot.adapters.telegram.request import AiohttpRequest, TokenRefused
from bot.sandbox.clock import SandboxClock
from bot.sandbox.faults import Effect, Fault
from bot.sandbox.telegram import TelegramStandIn
from bot.supervision import HealthState
from tests.fakes.clock import WatchedClock
from tests.fakes.samples import NOW

URL = "http://127.0.0.1:9/telegram"
"""No server listens there."""


def _never_used() -> SqlDeadUpdates:
    return SqlDeadUpdates(Database(Path("never opened")))


class Bot:
    """An application on the stand-in, its webhook and its health state."""

    def __init__(self, telegram: TelegramStandIn, application: App, url: str) -> None:
        self.telegram = telegram
        # Its own, which tells when the bot has looked and waits.
        self.clock = WatchedClock(NOW)
        self.health_state = HealthState(self.clock)
        foreign = ForeignWebhooks(self.health_state, self.clock)
        intake = Intake(application, ProcessedUpdates(), _never_used(), self.clock, foreign)
        self.webhook = WebhookIntake(application, intake, self.health_state, self.clock, url=url)
        self._running: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Run until it has set the webhook, and waits."""
        self._running = asyncio.create_task(self.webhook.run())
        await self.clock.until_waits(1, within=LOOK_EVERY)

    async def look_again(self, times: int) -> None:
        """Let it look once more; it has waited `times` times then."""
        self.clock.advance(LOOK_EVERY)
        await self.clock.until_waits(times, within=LOOK_EVERY)

    async def close(self) -> None:
        """Stop."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)


@pytest.fixture
async def telegram(tmp_path: Path) -> AsyncIterator[TelegramStandIn]:
    """A Telegram with a clock that stands."""
    async with TelegramStandIn(tmp_path, clock=SandboxClock(NOW, running=False)) as telegram:
        yield telegram


@asynccontextmanager
async def bot_on(
    telegram: TelegramStandIn, *, url: str = URL, token: str = ""
) -> AsyncIterator[Bot]:
    """Let a bot be there; it does nothing yet."""
    application: App = (
        Application.builder()
        .token(token or telegram.token)
        .base_url(telegram.base_url)
        .request(AiohttpRequest())
        .get_updates_request(AiohttpRequest())
        .updater(None)
        .job_queue(None)
        .build()
    )
    bot = Bot(telegram, application, url)
    async with application.bot.request:
        yield bot
        await bot.close()


async def test_set(telegram: TelegramStandIn) -> None:
    """Telegram gets the address, the secret, and the kinds of updates; no waiting
    update is lost.
    """
    async with bot_on(telegram) as bot:
        await bot.run()
    (request,) = telegram.log.of("setWebhook")

    assert request.params["url"] == URL
    assert request.params["secret_token"] == webhook_secret(telegram.token)
    assert request.params["allowed_updates"] == list(ALLOWED_UPDATES)
    assert request.params["max_connections"] == 40
    assert not request.params.get("drop_pending_updates")


def test_secret() -> None:
    """The secret is one that Telegram takes, follows the token, and does not give it away."""
    secret = webhook_secret("1:a")

    assert re.fullmatch(r"[A-Za-z0-9_-]{32,256}", secret)
    assert secret == webhook_secret("1:a")
    assert secret != webhook_secret("1:b")


async def test_look_and_set_again(telegram: TelegramStandIn) -> None:
    """A webhook that was changed or removed is set again; one that stands is left alone."""
    async with bot_on(telegram) as bot:
        await bot.run()
        await bot.look_again(2)
        left_alone = len(telegram.log.of("setWebhook"))
        telegram.world.webhook.remove()
        await bot.look_again(3)

    assert left_alone == 1
    assert telegram.world.webhook.is_set
    assert bot.health_state.webhook_error == ""


async def test_what_waits_comes_at_once(telegram: TelegramStandIn) -> None:
    """After a restart Telegram delivers what it could not deliver before, without its pause."""
    async with bot_on(telegram) as bot:
        await bot.run()
    await telegram.send_raw_update({"message": {}})
    await telegram.wait_for(lambda: len(telegram.deliveries.log) == 2)
    async with bot_on(telegram) as bot:
        await bot.run()
        await telegram.wait_for(lambda: len(telegram.deliveries.log) > 2)

    assert len(telegram.log.of("deleteWebhook")) >= 1
    assert len(telegram.world.updates.waiting) == 1


async def test_deaf(telegram: TelegramStandIn) -> None:
    """A delivery error of Telegram is noted with its reason, until an update has come."""
    async with bot_on(telegram) as bot:
        await bot.run()
        await telegram.send_raw_update({"message": {}})
        await telegram.wait_for(lambda: len(telegram.deliveries.log) == 2)
        await bot.look_again(2)
        error = bot.health_state.webhook_error
        bot.health_state.poll_answered()
        await bot.look_again(3)

    assert error == "cannot deliver 1 updates: Read timeout expired"
    assert bot.health_state.webhook_error == ""


async def test_another_program_sets_it_again_and_again(telegram: TelegramStandIn) -> None:
    """It is set right each time; the bot is not ready until the other program has stopped for a
    while.
    """
    conflicts = []
    async with bot_on(telegram) as bot:
        await bot.run()
        for times in range(2, 5):
            await telegram.intrude_webhook()
            await bot.look_again(times)
            conflicts.append(bot.health_state.webhook_conflict)
        assert telegram.world.webhook.target is not None
        assert telegram.world.webhook.target.url == URL
        bot.clock.advance(REMEMBERED)
        await bot.look_again(5)

    assert conflicts[:2] == ["", ""]
    assert "another program" in conflicts[2]
    assert bot.health_state.webhook_conflict == ""


async def test_refusal_after_another_program_ends_nothing(telegram: TelegramStandIn) -> None:
    """The address was accepted once, so that it is tried again."""
    async with bot_on(telegram) as bot:
        await bot.run()
        await telegram.intrude_webhook()
        args: dict[str, str | int | float] = {"status": 400, "description": "Bad Request: later"}
        fault = telegram.faults.add(Fault("setWebhook", Effect.ERROR, args=args))
        await bot.look_again(2)

    assert fault.hits == 1
    assert telegram.world.webhook.target is not None
    assert telegram.world.webhook.target.url == URL


async def test_out_of_reach(telegram: TelegramStandIn) -> None:
    """While Telegram is out of reach the webhook is set later."""
    telegram.faults.add(Fault("setWebhook", Effect.ERROR, args={"status": 502}))
    async with bot_on(telegram) as bot:
        await bot.run()

    assert telegram.world.webhook.is_set
    assert len(telegram.log.of("setWebhook")) == 2


async def test_refused(telegram: TelegramStandIn) -> None:
    """An address that Telegram does not take ends the bot, and the setting is named."""
    async with bot_on(telegram, url="ftp://127.0.0.1/") as bot:
        with pytest.raises(WebhookRefused, match=r"telegram\.webhook_url: "):
            await bot.webhook.run()


async def test_token_refused(telegram: TelegramStandIn) -> None:
    """A token that Telegram does not know ends the bot."""
    async with bot_on(telegram, token="1:nobody-knows-it") as bot:
        with pytest.raises(TokenRefused):
            await bot.webhook.run()


async def test_refused_later(telegram: TelegramStandIn) -> None:
    """A refusal after it was accepted once is a reason for not being ready, and is tried again."""
    async with bot_on(telegram) as bot:
        await bot.run()
        telegram.world.webhook.remove()
        refusal = Fault("setWebhook", Effect.ERROR, args={"status": 400, "description": "bad"})
        telegram.faults.add(refusal)
        bot.clock.advance(LOOK_EVERY)
        await telegram.wait_for(lambda: refusal.hits == 1)
        await telegram.wait_for(lambda: telegram.world.webhook.is_set)
        await bot.clock.until_waits(2, within=LOOK_EVERY)

    assert bot.health_state.webhook_error == ""


@pytest.mark.parametrize("update", [{}, {"update_id": True}, {"update_id": 10**30}], ids=str)
async def test_delivery_without_an_id(telegram: TelegramStandIn, update: dict[str, int]) -> None:
    """It is passed over: Telegram would deliver it again and again."""
    async with bot_on(telegram) as bot:
        await bot.webhook.take(update)

    assert bot.health_state.last_poll_at is not None
