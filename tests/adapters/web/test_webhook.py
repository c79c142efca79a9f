"""The route to which Telegram delivers."""

import asyncio
import json
from typing import Any

import pytest

from bot.adapters.web.webhook import SECRET_HEADER, WebhookRoute
from tests.adapters.web.client import Answer, Client, serving

PATH = "/telegram"
SECRET = "S-e_cret"


class Receiver:
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


def hook_of(receiver: Receiver | None) -> WebhookRoute:
    """Return a route, open if there is a receiver."""
    hook = WebhookRoute(PATH, SECRET)
    if receiver is not None:
        hook.open(receiver.take)
    return hook


async def test_taken() -> None:
    """An update is accepted once it has been taken, and handed on as it came."""
    receiver, update = Receiver(), {"update_id": 7, "message": {"text": "报告"}}
    async with serving(hook=hook_of(receiver)) as client:
        answer = await deliver(client, json.dumps(update).encode())

    assert (answer.status, answer.body) == (200, b"")
    assert [update] == receiver.taken


async def test_accepted_only_when_taken() -> None:
    """Telegram gets its answer only after the ledger has written."""
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
    """A request without the secret is refused, also with a valid body."""
    receiver = Receiver()
    async with serving(hook=hook_of(receiver)) as client:
        answer = await deliver(client, b'{"update_id": 1}', secret)
        nothing = await client.post(PATH, b'{"update_id": 1}')

    assert (answer.status, nothing.status) == (403, 403)
    assert receiver.taken == []


@pytest.mark.parametrize(
    "body", [b"", b"x", b"[]", b"{}", b'{"update_id": "1"}', b"\xff\xfe", b'"update_id"']
)
async def test_no_update(body: bytes) -> None:
    """A body that is no update is refused and does not reach the receiver."""
    receiver = Receiver()
    async with serving(hook=hook_of(receiver)) as client:
        answer = await deliver(client, body)

    assert answer.status == 400
    assert receiver.taken == []


async def test_too_large() -> None:
    """A body larger than any update is not read to its end."""
    receiver = Receiver()
    async with serving(hook=hook_of(receiver)) as client:
        answer = await deliver(client, b'{"update_id": 1, "x": "' + b"x" * (1 << 20) + b'"}')

    assert answer.status == 413
    assert receiver.taken == []


async def test_ledger_fails() -> None:
    """An update that could not be stored is not accepted: Telegram delivers it again."""
    receiver = Receiver(OSError("disk"))
    async with serving(hook=hook_of(receiver)) as client:
        refused = await deliver(client, b'{"update_id": 1}')
        receiver.error = None
        again = await deliver(client, b'{"update_id": 1}')

    assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
    assert b"disk" not in refused.body
    assert (again.status, receiver.taken) == (200, [{"update_id": 1}])


async def test_closed() -> None:
    """Before the bot listens, and when it stops, Telegram is asked to deliver later."""
    receiver = Receiver()
    hook = hook_of(None)
    async with serving(hook=hook) as client:
        early = await deliver(client, b'{"update_id": 1}')
        hook.open(receiver.take)
        taken = await deliver(client, b'{"update_id": 2}')
        hook.close()
        late = await deliver(client, b'{"update_id": 3}')

    assert [early.status, taken.status, late.status] == [503, 200, 503]
    assert receiver.taken == [{"update_id": 2}]


def test_secret_does_not_show() -> None:
    """The representation of a route has its path and no secret."""
    assert repr(WebhookRoute(PATH, SECRET)) == "Hook(path='/telegram')"
