"""Keys that are renewed: when, by whom, and what a link may promise."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from datetime import datetime, timedelta

import pytest

from bot.adapters.oss.bucket import OssBucket, OssLinkSigner
from bot.adapters.oss.client import TOKEN_MARGIN, AccessKey, BucketAddress, OssConnection
from bot.adapters.oss.keys import RENEW_BEFORE, RenewedKey
from bot.core.errors import StoreKeyRefused, StoreUnavailable
from bot.core.files import LinkMode
from bot.core.ports.store import ObjectMeta
from bot.sandbox.clock import SandboxClock
from bot.sandbox.oss import OssStandIn
from tests.adapters.oss.links import QUICK, address_of
from tests.fakes.body import BytesBody

META = ObjectMeta("application/octet-stream", "attachment", public=False)
KEY = "relay/1/x"
LIFE = timedelta(hours=1)
Known = Callable[[AccessKey], None]


class Issuer:
    """Gives a new key whenever it is asked, with memory; `known` hears of each."""

    def __init__(self, clock: SandboxClock, known: Known = lambda _: None) -> None:
        self._clock = clock
        self._known = known
        self.given: list[AccessKey] = []
        self.refusal: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.asked = threading.Semaphore(0)

    def fetch(self) -> AccessKey:
        """Give the next key."""
        self.asked.release()
        self.gate.wait(10)
        if self.refusal is not None:
            raise self.refusal
        number = len(self.given)
        key = AccessKey(
            access_key_id=f"STS.{number}",
            access_key_secret=f"secret-{number}",
            security_token=f"token-{number}",
            expires_at=self._clock.now() + LIFE,
        )
        self.given.append(key)
        self._known(key)
        return key


@pytest.fixture
def issuer(clock: SandboxClock) -> Issuer:
    """An issuer without a store."""
    return Issuer(clock)


@pytest.fixture
def keys(issuer: Issuer, clock: SandboxClock) -> RenewedKey:
    """Its keys."""
    return RenewedKey(issuer.fetch, clock, patience=5)


def known_to(oss: OssStandIn) -> Known:
    """Return what tells the stand-in of a key."""

    def know(key: AccessKey) -> None:
        oss.add_key(
            key.access_key_id,
            key.access_key_secret,
            token=key.security_token,
            expires_at=key.expires_at,
        )

    return know


def test_one_key_serves_until_its_end_is_near(
    keys: RenewedKey, issuer: Issuer, clock: SandboxClock
) -> None:
    """Requests share a key; near its end it is renewed without holding one up."""
    first = [keys.get_credentials().access_key_id for _ in range(3)]
    clock.advance(LIFE - RENEW_BEFORE + timedelta(seconds=1))
    issuer.gate.clear()
    meanwhile = keys.get_credentials().access_key_id
    issuer.gate.set()
    clock.advance(RENEW_BEFORE)
    afterwards = keys.get_credentials().access_key_id

    assert (first, meanwhile, afterwards) == (["STS.0"] * 3, "STS.0", "STS.1")
    assert len(issuer.given) == 2


def test_threads_wait_for_one_renewal(keys: RenewedKey, issuer: Issuer) -> None:
    """However many need a key at once, it is asked for once."""
    issuer.gate.clear()
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(keys.get_credentials) for _ in range(8)]
        assert issuer.asked.acquire(timeout=5)
        issuer.gate.set()
        found = {future.result().access_key_id for future in waiting}

    assert (found, len(issuer.given)) == ({"STS.0"}, 1)


class Turnstile:
    """In the place of a lock: threads pass one by one, when the test lets them."""

    def __init__(self) -> None:
        self.arrived = threading.Semaphore(0)
        self.turn = threading.Semaphore(0)

    def __enter__(self) -> None:
        self.arrived.release()
        assert self.turn.acquire(timeout=5)

    def __exit__(self, *_: object) -> None:
        pass


def test_thread_that_is_late_takes_the_new_key(
    keys: RenewedKey, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that found no key, and is held up until another one has got it, asks for none."""
    turnstile = Turnstile()
    monkeypatch.setattr(keys, "_lock", turnstile)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(keys.get_credentials) for _ in range(2)]
        for _ in waiting:
            assert turnstile.arrived.acquire(timeout=5)
        turnstile.turn.release()
        wait(waiting, return_when=FIRST_COMPLETED, timeout=5)
        turnstile.turn.release()
        found = {future.result().access_key_id for future in waiting}

    assert (found, len(issuer.given)) == ({"STS.0"}, 1)


def test_failed_renewal(keys: RenewedKey, issuer: Issuer, clock: SandboxClock) -> None:
    """A key that lives goes on signing; one that has expired does not, and says why."""
    keys.get_credentials()
    issuer.refusal = StoreUnavailable("the metadata service is silent")
    clock.advance(timedelta(minutes=5))
    assert keys.lasting_until(clock.now() + LIFE).access_key_id == "STS.0"
    clock.advance(LIFE)
    with pytest.raises(StoreUnavailable, match="metadata service is silent"):
        keys.get_credentials()
    issuer.refusal = None

    assert keys.get_credentials().access_key_id == "STS.1"


def test_renewal_that_hangs(issuer: Issuer, clock: SandboxClock) -> None:
    """It costs a request its patience, not its thread."""
    keys = RenewedKey(issuer.fetch, clock, patience=0.05)
    issuer.gate.clear()
    with pytest.raises(StoreUnavailable, match="in time"):
        keys.get_credentials()
    issuer.gate.set()


def test_renewed_for_a_link_once_a_minute(
    keys: RenewedKey, issuer: Issuer, clock: SandboxClock
) -> None:
    """A link that would outlive the key gets a fresh one, but a burst of files only one."""
    keys.get_credentials()
    clock.advance(timedelta(minutes=30))
    wanted = clock.now() + timedelta(hours=20)
    ends = {keys.lasting_until(wanted).expires_at for _ in range(50)}

    assert ends == {issuer.given[1].expires_at}
    assert keys.lasting_until(clock.now()).access_key_id == "STS.1"
    assert len(issuer.given) == 2


async def test_requests_across_an_expiry(oss: OssStandIn, clock: SandboxClock) -> None:
    """Parts of one upload are signed with whichever key lives."""
    issuer = Issuer(clock, known_to(oss))
    connection = OssConnection(address_of(oss), clock, key=issuer.fetch, limits=QUICK)
    bucket = OssBucket(connection)

    def upload() -> int | None:
        upload_id = bucket.initiate(KEY, META)
        parts = []
        for number in range(1, 4):
            body = BytesBody(b"x" * (100 << 10))
            parts.append(bucket.upload_part(KEY, upload_id, number, body))
            clock.advance(timedelta(minutes=70))
        return bucket.complete(KEY, upload_id, parts, META)

    crc64 = await asyncio.to_thread(upload)
    connection.close()

    assert crc64 is not None
    assert len(issuer.given) == 4


async def test_key_that_oss_stops_to_accept(oss: OssStandIn, clock: SandboxClock) -> None:
    """A token that ends before its time is a reason to renew it, once."""
    issuer = Issuer(clock, known_to(oss))
    connection = OssConnection(address_of(oss), clock, key=issuer.fetch, limits=QUICK)
    bucket = OssBucket(connection)

    def put() -> int | None:
        return bucket.put_object(KEY, BytesBody(b"x"), META)

    await asyncio.to_thread(put)
    clock.advance(timedelta(minutes=5))
    oss.add_key("STS.0", "secret-0", token="token-0", expires_at=clock.now())
    with pytest.raises(StoreUnavailable, match="SecurityTokenExpired"):
        await asyncio.to_thread(put)
    await asyncio.to_thread(put)
    oss.add_key("STS.1", "secret-1", token="token-1", expires_at=clock.now())
    with pytest.raises(StoreKeyRefused):
        await asyncio.to_thread(put)
    connection.close()


def test_promise_is_the_life_of_the_token(clock: SandboxClock, issuer: Issuer) -> None:
    """A signed link ends with its token, a public one does not."""
    stand = connection_of(clock, issuer)
    wanted = clock.now() + timedelta(hours=20)
    ends_at = stand.prepare_link(wanted)
    ends = {mode: OssLinkSigner(stand, mode).end_of(wanted) for mode in LinkMode}

    assert ends_at == ends[LinkMode.SIGNED] == expiry(issuer, 0) - TOKEN_MARGIN
    assert ends[LinkMode.PUBLIC] == wanted


def test_no_promise_of_a_dead_token(clock: SandboxClock) -> None:
    """A key that has expired signs nothing that would be handed out."""
    key = AccessKey(
        access_key_id="STS",
        access_key_secret="secret",
        security_token="token",
        expires_at=clock.now() + TOKEN_MARGIN,
    )
    with pytest.raises(StoreKeyRefused, match="expired"):
        connection_of(clock, key).prepare_link(clock.now() + LIFE)


def connection_of(clock: SandboxClock, key: Issuer | AccessKey) -> OssConnection:
    """Return a connection that reaches nothing."""

    address = BucketAddress(bucket="files", region="cn-hongkong")
    return OssConnection(address, clock, key=key.fetch if isinstance(key, Issuer) else key)


def expiry(issuer: Issuer, number: int) -> datetime:
    """Return when a key that was given ends."""
    ends_at = issuer.given[number].expires_at
    assert ends_at is not None
    return ends_at
