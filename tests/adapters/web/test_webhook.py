"""The door at which Telegram delivers."""

import asyncio
import json
from typing import Any

import pytest

from bot.adapters.web import SECRET_HEADER, WebhookRoute
from tests.adapters.web.client import Answer, Client, serving

PATH = "/telegram"
SECRET = "S-e_cret"


class Desk:
    """Takes updates in; fails on request."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.taken: list[dict[str, Any]] = []

    async def take(self, update: dict[str, Any]) -> None:
        """Remember an update."""
        if self.error is not None:
            raise self.error
        self.taken.append(update)


async def deliver(client: Client, body: bytes, secret: str = SECRET) -> Answer:
    """Post as Telegram does."""
    named = {SECRET_HEADER: secret, "Content-Type": "application/json"}
    return await client.post(PATH, body, **named)


def hook_of(desk: Desk | None) -> WebhookRoute:
    """Return a door, open if there is somebody behind it."""
    hook = WebhookRoute(PATH, SECRET)
    if desk is not None:
        hook.open(desk.take)
    return hook


async def test_taken() -> None:
    """An update is accepted once it has been taken, and handed on as it came."""
    desk, update = Desk(), {"update_id": 7, "message": {"text": "报告"}}
    async with serving(hook=hook_of(desk)) as client:
        answer = await deliver(client, json.dumps(update).encode())

    assert (answer.status, answer.body) == (200, b"")
    assert [update] == desk.taken


async def test_accepted_only_when_taken() -> None:
    """While the ledger writes, Telegram waits."""
    began, written = asyncio.Event(), asyncio.Event()

    async def take(_: dict[str, Any]) -> None:
        began.set()
        await written.wait()

    hook = WebhookRoute(PATH, SECRET)
    hook.open(take)
    async with serving(hook=hook) as client:
        delivery = asyncio.create_task(deliver(client, b'{"update_id": 1}'))
        await began.wait()
        waits = not delivery.done()
        written.set()
        answer = await delivery

    assert waits
    assert answer.status == 200


@pytest.mark.parametrize("secret", ["", "s-e_cret", SECRET + "x", "Ж"])
async def test_strangers(secret: str) -> None:
    """Who does not know the secret is turned away, whatever they bring."""
    desk = Desk()
    async with serving(hook=hook_of(desk)) as client:
        answer = await deliver(client, b'{"update_id": 1}', secret)
        nothing = await client.post(PATH, b'{"update_id": 1}')

    assert (answer.status, nothing.status) == (403, 403)
    assert desk.taken == []


@pytest.mark.parametrize(
    "body", [b"", b"x", b"[]", b"{}", b'{"update_id": "1"}', b"\xff\xfe", b'"update_id"']
)
async def test_no_update(body: bytes) -> None:
    """What is no update is refused, not repeated for ever at the desk."""
    desk = Desk()
    async with serving(hook=hook_of(desk)) as client:
        answer = await deliver(client, body)

    assert answer.status == 400
    assert desk.taken == []


async def test_too_large() -> None:
    """A body that no update has is not read to its end."""
    desk = Desk()
    async with serving(hook=hook_of(desk)) as client:
        answer = await deliver(client, b'{"update_id": 1, "x": "' + b"x" * (1 << 20) + b'"}')

    assert answer.status == 413
    assert desk.taken == []


async def test_ledger_fails() -> None:
    """What could not be stored is not accepted: Telegram brings it again."""
    desk = Desk(OSError("disk"))
    async with serving(hook=hook_of(desk)) as client:
        refused = await deliver(client, b'{"update_id": 1}')
        desk.error = None
        again = await deliver(client, b'{"update_id": 1}')

    assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
    assert b"disk" not in refused.body
    assert (again.status, desk.taken) == (200, [{"update_id": 1}])


async def test_closed() -> None:
    """Before the bot listens, and when it stops, Telegram is asked to come again."""
    desk = Desk()
    hook = hook_of(None)
    async with serving(hook=hook) as client:
        early = await deliver(client, b'{"update_id": 1}')
        hook.open(desk.take)
        taken = await deliver(client, b'{"update_id": 2}')
        hook.close()
        late = await deliver(client, b'{"update_id": 3}')

    assert [early.status, taken.status, late.status] == [503, 200, 503]
    assert desk.taken == [{"update_id": 2}]


def test_secret_does_not_show() -> None:
    """The door tells its path and nothing more."""
    assert repr(WebhookRoute(PATH, SECRET)) == "WebhookRoute(path='/telegram')"
