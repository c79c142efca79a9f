"""Keys that sign: one that stays, and one that is renewed before it ends."""

import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog
from alibabacloud_oss_v2 import credentials
from alibabacloud_oss_v2 import exceptions as sdk
from alibabacloud_oss_v2.types import Credentials, CredentialsProvider

from bot.core.errors import StoreError, StoreKeyRefused, StoreUnavailable, TransferCancelled
from bot.core.ports import Clock
from bot.transfer.pool import current_flag

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """Who signs. Nothing of it shows in a `repr` but the id, which every link shows too.

    A key with a token ends at `expires_at`, by Alibaba Cloud's clock; `None` is not known.
    """

    access_key_id: str
    access_key_secret: str = field(repr=False)
    security_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None

    def for_sdk(self) -> Credentials:
        """Return what the SDK signs with."""
        return Credentials(self.access_key_id, self.access_key_secret, self.security_token)


def environment_key(expires_at: datetime | None = None) -> AccessKey:
    """Read the SDK's environment variables.

    Raises:
        StoreKeyRefused: they are not set.
    """
    try:
        found = credentials.EnvironmentVariableCredentialsProvider().get_credentials()
    except sdk.CredentialsEmptyError:
        raise StoreKeyRefused(
            "no access key: OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET are not set"
        ) from None
    return AccessKey(
        access_key_id=found.access_key_id,
        access_key_secret=found.access_key_secret,
        security_token=found.security_token or None,
        expires_at=expires_at if found.security_token else None,
    )


class KeySource(CredentialsProvider):
    """Where each request and each link takes its key from. Thread-safe."""

    is_renewable: bool
    """Whether a key that ends is followed by another one."""

    @abstractmethod
    def get_credentials(self) -> Credentials:
        """Return the key for a request. May block for a renewal.

        Raises:
            StoreKeyRefused: there is no key to be had.
            StoreUnavailable: the source of the keys does not answer.
        """

    @abstractmethod
    def current(self) -> AccessKey:
        """Return the latest key without blocking.

        Raises:
            StoreUnavailable: there has not been one yet.
        """

    @abstractmethod
    def lasting_until(self, moment: datetime) -> AccessKey:
        """Return a key for a link that ends at `moment`: the latest one, renewed if it ends
        earlier. May block, and raises what `get_credentials` does.
        """

    @abstractmethod
    def second_try(self) -> Iterator[None]:
        """Look at what OSS says of the key in the block."""


class FixedKey(KeySource):
    """One key."""

    is_renewable = False

    def __init__(self, key: AccessKey) -> None:
        self._key = key

    def get_credentials(self) -> Credentials:
        """Return the key."""
        return self._key.for_sdk()

    def current(self) -> AccessKey:
        """Return the key."""
        return self._key

    def lasting_until(self, moment: datetime) -> AccessKey:  # noqa: ARG002 -- the protocol's.
        """Return the key, however long it lives."""
        return self._key

    def second_try(self) -> Iterator[None]:
        """Let every refusal pass: another try would be with the same key."""
        yield


Fetch = Callable[[], AccessKey]
"""Asks for a new key; blocks. Raises `StoreError`. A key with a token has `expires_at`."""

RENEW_BEFORE: Final = timedelta(minutes=10)
"""A key is renewed in the background from so long before its end; the shortest ones live 15
minutes (source: STS API reference, AssumeRole, DurationSeconds).
"""
URGENT: Final = timedelta(minutes=1)
"""What is left of a key that no request is begun with: the clocks may differ by seconds."""
JUST_RENEWED: Final = timedelta(minutes=1)
"""How long a key counts as the longest-lived that is to be had, and a failed renewal waits."""
PATIENCE: Final = 20.0
"""Seconds that a request waits for a renewal; the library gives up a call after 10."""


class RenewedKey(KeySource):
    """Keys from `fetch`, which runs in one thread at a time.

    The time is that of `clock`, which must be corrected to Alibaba Cloud's.
    """

    is_renewable = True

    def __init__(self, fetch: Fetch, clock: Clock, *, patience: float = PATIENCE) -> None:
        self._fetch = fetch
        self._clock = clock
        self._patience = patience
        self._lock = threading.Lock()
        self._key: AccessKey | None = None
        self._is_refused = False
        self._renewal: Future[AccessKey] | None = None
        self._asked_at: datetime | None = None

    def get_credentials(self) -> Credentials:
        """Return the key, renewed if its end is near."""
        key, left = self._key, self._left()
        if key is None or self._is_refused or left <= URGENT:
            return self._renewed(key).for_sdk()
        if left <= RENEW_BEFORE and not self._asked_just_now:
            self._begin(key)
        return key.for_sdk()

    def current(self) -> AccessKey:
        """Return the latest key; computes only."""
        key = self._key
        if key is None:
            raise StoreUnavailable("there has been no access key yet")
        return key

    def lasting_until(self, moment: datetime) -> AccessKey:
        """Return the latest key, renewed if it ends before `moment`; as each file may ask for it,
        at most once a minute.
        """
        key = self._key
        ends_at = key.expires_at if key else None
        is_short = key is None or (ends_at is not None and ends_at < moment)
        if not is_short or (self._left() > URGENT and self._asked_just_now):
            return self.current()
        try:
            return self._renewed(key)
        except StoreError:
            if self._left() <= URGENT:
                raise
            return self.current()

    def second_try(self) -> Iterator[None]:
        """Make a refusal of the key transient where a renewed one may be accepted.

        Raises:
            StoreUnavailable: the next try is with another key.
        """
        try:
            yield
        except StoreKeyRefused as error:
            if self._key is None or self._asked_just_now:
                raise
            self._is_refused = True
            raise StoreUnavailable(f"the key is renewed, because of {error}") from None

    @property
    def _asked_just_now(self) -> bool:
        asked_at = self._asked_at
        return asked_at is not None and abs(self._clock.now() - asked_at) < JUST_RENEWED

    def _left(self) -> timedelta:
        if self._key is None:
            return timedelta(0)
        ends_at = self._key.expires_at
        return timedelta.max if ends_at is None else ends_at - self._clock.now()

    def _renewed(self, seen: AccessKey | None) -> AccessKey:
        """Return the key that follows `seen`, after a renewal of this thread or of another."""
        renewal, woken, flag = self._begin(seen), threading.Event(), current_flag()
        renewal.add_done_callback(lambda _: woken.set())
        with flag.calling(woken.set) if flag else nullcontext():
            woken.wait(self._patience)
        if not renewal.done():
            if flag is not None and flag.is_set:
                raise TransferCancelled("told to stop while the key was renewed")
            raise StoreUnavailable("no new access key came in time")
        error = renewal.exception()
        if isinstance(error, StoreError):
            raise type(error)(*error.args)  # Its own traceback for each thread that waits.
        return renewal.result()

    def _begin(self, seen: AccessKey | None) -> "Future[AccessKey]":
        with self._lock:
            # A renewal that has ended since the caller looked serves the caller too.
            if self._renewal is None or (self._renewal.done() and self._key is seen):
                self._renewal, self._asked_at = Future(), self._clock.now()
                # Not from a pool: the end of the process must not wait for it.
                threading.Thread(
                    target=self._renew, args=(self._renewal,), name="key-renewal", daemon=True
                ).start()
            return self._renewal

    def _renew(self, renewal: "Future[AccessKey]") -> None:
        try:
            key = self._fetch()
        except Exception as error:
            # Logged here, and raised in each thread that waits.
            is_known = isinstance(error, StoreError)
            why = str(error) if is_known else type(error).__name__
            log.warning("cannot renew the access key", why=why, exc_info=not is_known)
            renewal.set_exception(error)
            return
        self._key, self._is_refused = self._longer(key), False
        renewal.set_result(self._key)

    def _longer(self, key: AccessKey) -> AccessKey:
        # An answer that was on its way for long must not shorten what has been promised.
        old = self._key
        if self._is_refused or old is None or old.expires_at is None or key.expires_at is None:
            return key
        return old if old.expires_at > key.expires_at else key


@contextmanager
def with_second_try(keys: KeySource) -> Iterator[None]:
    """Run the block as `keys` wants refusals of the key to be seen."""
    yield from keys.second_try()
