"""Links that live while the settings of bucket and mode change, and links of temporary keys."""

import asyncio
import os
import re
from datetime import timedelta

import pytest

from bot.adapters.oss.keys import AccessKey
from bot.adapters.oss.role_keys import RoleKeys
from bot.demo.local_stack import LocalStack
from bot.sandbox.faults import Effect, Fault
from bot.sandbox.telegram import VisibleMessage
from tests.conversations.people import Person, fetch, link_of, links_of

TOKEN_LIFE = timedelta(hours=1)


async def _restart(stage: LocalStack, alice: Person, **more: str) -> None:
    await stage.stop_bot()
    stage.more |= more
    await stage.start_bot(alice.id)


async def _listed(alice: Person) -> VisibleMessage:
    return await alice.answered(await alice.write("/links"))


async def test_another_bucket(stage: LocalStack, alice: Person) -> None:
    """A link of the earlier bucket is listed as it opens, and deleted where it is."""
    content = os.urandom(2000)
    answer = await alice.answered(await alice.send(content, "a.bin"))
    stage.oss.add_bucket("later-bucket")
    await _restart(stage, alice, RELAY_OSS__BUCKET="later-bucket")
    (url,) = links_of(await _listed(alice))
    listed = await fetch(url)
    await alice.press(answer, "Delete now")
    await alice.until(lambda: "Deleted" in alice.shown(answer).text)

    assert listed[:2] == (200, content)
    assert (await fetch(link_of(answer)))[0] == 404
    assert not stage.bucket.objects


async def test_earlier_bucket_refuses(stage: LocalStack, alice: Person) -> None:
    """As long as the file cannot be deleted there, nothing says that it is."""
    answer = await alice.answered(await alice.send(os.urandom(2000), "a.bin"))
    stage.oss.add_bucket("later-bucket")
    await _restart(stage, alice, RELAY_OSS__BUCKET="later-bucket")
    refusal = Fault("DeleteObject", Effect.ERROR, times=0, args={"status": 403})
    stage.oss.faults.add(refusal)
    await alice.press(answer, "Delete now")
    await stage.oss.wait_for(lambda: refusal.hits > 0)
    # What is written now is answered after what the press has led to.
    await alice.answered(await alice.write("/status"))
    said = alice.shown(answer).text
    opens = (await fetch(link_of(answer)))[0]
    stage.oss.faults.clear()
    gone = asyncio.create_task(stage.oss.wait_for(lambda: not stage.bucket.objects))
    while not gone.done():
        stage.clock.advance(timedelta(seconds=10))
        await asyncio.wait({gone}, timeout=0.05)
    await alice.until(lambda: "Deleted" in alice.shown(answer).text)

    assert (opens, "Deleted" in said) == (200, False)


async def test_from_signed_to_public(stage: LocalStack, alice: Person) -> None:
    """Lists and a corrected album go on handing out links that open."""
    for number in range(2):
        await alice.send(os.urandom(2000), f"{number}.bin", media_group_id="77")
    await alice.until(lambda: bool(alice.said))
    album = alice.said[0]
    stage.bucket.blocks_public_access = False
    await _restart(stage, alice, RELAY_LINK__MODE="public")
    listed = [(await fetch(url))[0] for url in links_of(await _listed(alice))]
    await alice.press(album, "Delete 1")
    await alice.until(lambda: len(links_of(alice.shown(album))) == 1)
    (left,) = links_of(alice.shown(album))

    assert listed == [200, 200]
    assert (await fetch(left))[0] == 200


@pytest.fixture
def issued(stage: LocalStack, monkeypatch: pytest.MonkeyPatch) -> list[AccessKey]:
    """The keys of a role that lives an hour each; the bot's settings name it."""
    given: list[AccessKey] = []

    def issue(_: RoleKeys) -> AccessKey:
        number, ends_at = len(given), stage.clock.now() + TOKEN_LIFE
        key_id, secret, token = f"STS.{number}", f"role-secret-{number}", f"role-token-{number}"
        stage.oss.add_key(key_id, secret, token=token, expires_at=ends_at)
        given.append(
            AccessKey(
                access_key_id=key_id,
                access_key_secret=secret,
                security_token=token,
                expires_at=ends_at,
            )
        )
        return given[-1]

    monkeypatch.setattr(RoleKeys, "fetch", issue)
    stage.more |= {
        "RELAY_OSS__CREDENTIALS": "ecs_ram_role",
        "RELAY_OSS__ACCESS_KEY_ID": "",
        "RELAY_OSS__ACCESS_KEY_SECRET": "",
    }
    return given


async def test_promise_of_a_temporary_key(stage: LocalStack, issued: list[AccessKey]) -> None:
    """The link lives for all of a fresh token's life, and the answer ends with it."""
    alice = Person(stage)
    await stage.start_bot(alice.id)
    stage.clock.advance(timedelta(minutes=40))
    began = stage.clock.now()
    answer = await alice.answered(await alice.send(os.urandom(2000), "a.bin"))
    url = link_of(answer)
    # Not the first one: that was issued before.
    assert re.search(r"STS\.[1-9]", url)
    stage.clock.advance(began + TOKEN_LIFE - timedelta(seconds=20) - stage.clock.now())
    alive = (await fetch(url))[0]
    stage.clock.advance(timedelta(seconds=30))
    await alice.until(lambda: "expired" in alice.shown(answer).text)

    assert (alive, stage.bucket.objects) == (200, {})
    assert len(issued) >= 3


async def test_public_links_of_a_renewed_key(stage: LocalStack, issued: list[AccessKey]) -> None:
    """A key that is renewed ends public links on time, many tokens later."""
    stage.bucket.blocks_public_access = False
    stage.more["RELAY_LINK__MODE"] = "public"
    alice = Person(stage)
    await stage.start_bot(alice.id)
    answer = await alice.answered(await alice.send(os.urandom(2000), "a.bin"))
    stage.clock.advance(timedelta(hours=23))
    alive = (await fetch(link_of(answer)))[0]
    stage.clock.advance(timedelta(minutes=55))
    await alice.until(lambda: "expired" in alice.shown(answer).text)

    assert (alive, stage.bucket.objects, len(issued) > 1) == (200, {}, True)
