"""The connection to OSS: the SDK's client built from plain values, the URLs of the bucket, and the
clock of OSS.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import quote, urlsplit

import requests
from alibabacloud_oss_v2 import exceptions as sdk
from alibabacloud_oss_v2.client import Client
from alibabacloud_oss_v2.config import Config
from alibabacloud_oss_v2.signer.v4 import SignerV4
from alibabacloud_oss_v2.transport.requests_client import RequestsHttpClient
from alibabacloud_oss_v2.types import HttpRequest, HttpResponse, SigningContext
from urllib3.exceptions import HTTPError

from bot.adapters.oss.connections import CancellableAdapter, CancellableConnection, translated
from bot.adapters.oss.keys import AccessKey as AccessKey  # a part of the connection for others
from bot.adapters.oss.keys import Fetch, FixedKey, KeySource, RenewedKey, environment_key
from bot.clock import CorrectedClock
from bot.core.errors import StoreIntercepted, StoreKeyRefused, StoreUnavailable
from bot.core.files import is_open
from bot.core.ports import Clock
from bot.core.ports.store import Threads
from bot.transfer.body import BLOCK
from bot.transfer.pool import current_flag


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketAddress:
    """A bucket and its hosts. Endpoints without a scheme are https.

    `endpoint` is the public one, derived from the region if not given; `upload_endpoint` is used
    for everything but links (an internal one costs nothing and is faster inside the region).
    `link_domain` is a domain of the operator that is bound to the bucket. `path_style` puts the
    bucket into the path, as endpoints that are IP addresses need; those are detected.
    """

    bucket: str
    region: str
    endpoint: str | None = None
    upload_endpoint: str | None = None
    link_domain: str | None = None
    path_style: bool = False

    @property
    def upload_base(self) -> str:
        """The URL of the endpoint that requests go to."""
        return _with_scheme(self.upload_endpoint) if self.upload_endpoint else self._public_base

    @property
    def upload_is_ip(self) -> bool:
        """Whether that endpoint is an IP address, which no bucket can stand in front of."""
        return _is_ip(urlsplit(self.upload_base).hostname)

    @property
    def _public_base(self) -> str:
        return _with_scheme(self.endpoint or f"oss-{self.region}.aliyuncs.com")

    def object_url(self, key: str) -> str:
        """Return the plain URL of an object for the public."""
        return f"{self._bucket_base}/{quote(key)}"

    def object_urls(self, key: str) -> list[str]:
        """Return every plain URL of an object: that for the public, and with a domain also that of
        OSS's own endpoint, at which the object is readable too.
        """
        own = replace(self, link_domain=None)
        return list(dict.fromkeys((self.object_url(key), own.object_url(key))))

    def name_of(self, url: str) -> str:
        """Return the host of a URL for a message, with the name of its setting if it has one."""
        host = urlsplit(url).netloc
        is_domain = self.link_domain is not None and host == self.public_host
        return f"link.domain {host}" if is_domain else host

    def of(self, bucket: str, region: str) -> "BucketAddress":
        """Return the address of an earlier bucket, whose region may be another; "" is that of
        here. A domain is bound to one bucket, and endpoints to one region.
        """
        bucket, region = bucket or self.bucket, region or self.region
        if region != self.region:
            return BucketAddress(bucket=bucket, region=region, path_style=self.path_style)
        return self if bucket == self.bucket else replace(self, bucket=bucket, link_domain=None)

    @property
    def public_host(self) -> str:
        """Host, and port if there is one, of every public URL."""
        return urlsplit(self._bucket_base).netloc

    @property
    def _bucket_base(self) -> str:
        if self.link_domain:
            return _with_scheme(self.link_domain)
        base = urlsplit(self._public_base)
        if self.path_style or _is_ip(base.hostname):
            return f"{base.scheme}://{base.netloc}/{self.bucket}"
        return f"{base.scheme}://{self.bucket}.{base.netloc}"


def _with_scheme(endpoint: str) -> str:
    endpoint = endpoint.rstrip("/")
    return endpoint if "://" in endpoint else f"https://{endpoint}"


def _is_ip(host: str | None) -> bool:
    try:
        ip_address(host or "")
    except ValueError:
        return False
    return True


_SET: Final = timedelta(seconds=2)
"""Between the system's clock and the monotonic one; more means that the former was set."""
_CURRENT: Final = timedelta(minutes=1)

_RESOLUTION: Final = timedelta(seconds=1)
"""A Date header has whole seconds, rounded down."""


class OssTime:
    """Our clock plus the offset of OSS's clock. Thread-safe.

    Requests signed with a time more than 15 minutes off are refused (RequestTimeTooSkewed), and a
    presigned link would live longer by as much as our clock is fast; the SDK corrects neither.
    """

    def __init__(self, clock: Clock, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._offset = timedelta(0)
        self._told: tuple[datetime, float] | None = None
        """When the last answer came, by both clocks of this machine."""

    @property
    def offset(self) -> timedelta:
        """How far OSS's clock is ahead of ours, by the answers so far."""
        return self._offset

    def start_with(self, offset: timedelta) -> None:
        """Take over what an earlier process has learned, until an answer tells."""
        if self._told is None:
            self._offset = offset

    def take(self, offset: timedelta) -> None:
        """Take over what another process has just learned from an answer."""
        self._told = (self._clock.now(), self._monotonic())
        if abs(offset - self._offset) >= _RESOLUTION:
            self._offset = offset

    @property
    def is_current(self) -> bool:
        """Whether an answer has told the time within the last minute."""
        if self._told is None or self.clock_was_set:
            return False
        return timedelta(seconds=self._monotonic() - self._told[1]) < _CURRENT

    @property
    def clock_was_set(self) -> bool:
        """Whether the system's clock was set, or stood still, since the last answer: then the
        offset is not what it was.
        """
        if self._told is None:
            return False
        at, monotonic = self._told
        passed = timedelta(seconds=self._monotonic() - monotonic)
        return abs(self._clock.now() - at - passed) > _SET

    def local(self) -> datetime:
        """Return the time of our clock."""
        return self._clock.now()

    def now(self) -> datetime:
        """Return the time at OSS."""
        return self._clock.now() + self._offset

    def learn(self, date: str | None, asked_at: datetime) -> None:
        """Update the offset from an answer's Date header; `asked_at` is our time before the
        request.

        The answer was made between `asked_at` and now, so it bounds the offset from both sides. An
        offset within the bounds stays, which keeps the time steady if a clock is set during a
        request; otherwise the lower bound is taken, because a link may end early but not late.
        """
        written_at = _parse(date)
        if written_at is None:
            return
        self._told = (self._clock.now(), self._monotonic())
        least = written_at - self._clock.now()
        most = written_at + _RESOLUTION - asked_at
        if not least <= self._offset <= most:
            self._offset = least


def _parse(date: str | None) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(date or "")
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


PRODUCT: Final = "oss"
TOKEN_MARGIN: Final = timedelta(seconds=10)
"""Time by which a link ends before its token, so that a download begun at its end still works."""
REQUEST_ID: Final = "x-oss-request-id"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """Limits of connections; times are seconds.

    `connections` must be at least the number of threads that use it. `minimum_rate` is bytes per
    second of one connection; a slower block counts as a stall. `proxy` is a URL.
    """

    connections: int = 32
    minimum_rate: float = 16 << 10
    connect_timeout: float = 10.0
    answer_timeout: float = 30.0
    """For the next bytes of an answer; to what carries bytes of files, for all of it."""
    call_deadline: float = 15.0
    """For a whole call that carries no bytes of files."""
    complete_timeout: float = 300.0
    """The same for calls in which OSS moves bytes: putting together thousands of parts may take
    minutes.
    """
    proxy: str | None = field(default=None, repr=False)

    @property
    def send_deadline(self) -> float:
        """Seconds in which one block must be sent."""
        return BLOCK / self.minimum_rate

    def deadline_for(self, size: int) -> float:
        """Return the seconds that a call may take whose answer has `size` bytes."""
        return self.call_deadline + size / self.minimum_rate


class OssConnection:
    """The connection that bucket and signer share. Thread-safe; `key` is an access key, or a
    source of renewed ones. Without it the SDK's environment variables are read, once.

    Raises:
        StoreKeyRefused: there is neither a key nor the environment variables.
    """

    def __init__(
        self,
        address: BucketAddress,
        clock: Clock,
        *,
        key: AccessKey | Fetch | KeySource | None = None,
        limits: ConnectionLimits | None = None,
    ) -> None:
        self.address = address
        self.limits = limits or ConnectionLimits()
        self.time = OssTime(clock)
        self.link_clock = CorrectedClock(clock, lambda: self.time.offset)
        self.signer = ClockedSigner(self.time)
        self.session = _open_session(self.limits)
        self._clock = clock
        self.keys = _key_source(key, self.link_clock)
        self.client = Client(self._config(), signer=self.signer)

    def _config(self) -> Config:
        http_client = CancellableHttpClient(self.session, self.time, self.limits)
        return Config(
            region=self.address.region,
            endpoint=self.address.upload_base,
            credentials_provider=self.keys,
            http_client=http_client,
            # The SDK recognizes addresses of IPv4 alone.
            use_path_style=self.address.path_style or self.address.upload_is_ip,
            retry_max_attempts=1,  # One call is one attempt; bot.transfer.pool owns the others.
            disable_upload_crc64_check=True,  # 498 MB/s, GIL held; bodies use fastcrc.
        )

    @property
    def credentials_are_temporary(self) -> bool:
        """Whether an STS token signs: links then expire with the token, before their own
        expiry.
        """
        return bool(self.keys.current().security_token)

    def signable_until(self, wanted: datetime) -> datetime:
        """Return when a link ends that is signed now, and should end at `wanted`: not after the
        token of the key that signs it. Computes only.
        """
        ends_at = self.keys.current().expires_at
        return wanted if ends_at is None else min(wanted, ends_at - TOKEN_MARGIN)

    def prepare_link(self, wanted: datetime) -> datetime:
        """Renew the key if a link until `wanted` needs it, and return when the link ends. May
        block.

        Raises:
            StoreError: there is no key that a link can be signed with.
        """
        key = self.keys.lasting_until(wanted)
        ends_at = self.signable_until(wanted)
        if key.expires_at is not None and not is_open(ends_at, self.link_clock.now()):
            raise StoreKeyRefused("the token of the access key has expired")
        return ends_at

    @contextmanager
    def open_as_stranger(
        self,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        size: int = 0,
        body: bytes | None = None,
    ) -> Iterator[requests.Response]:
        """Ask for `url` without a signature, or with a `body` store it there; the content of the
        answer is read inside the block, and is expected to have `size` bytes.

        Raises:
            StoreUnavailable: no answer came, or not in time.
        """
        limits = self.limits
        wire = CancellableConnection(
            limits.send_deadline,
            answer_deadline=limits.answer_timeout,
            deadline=limits.deadline_for(size),
        )
        with (
            translated(self.address.name_of(url)),
            as_one_call(wire),
            self.session.request(
                "GET" if body is None else "PUT",
                url,
                params=params,
                data=body,
                timeout=(limits.connect_timeout, limits.answer_timeout),
                allow_redirects=False,
                stream=True,
            ) as answer,
        ):
            yield answer

    def of(self, bucket: str, region: str) -> "OssConnection":
        """Return a connection with the same key to another bucket, or this one."""
        address = self.address.of(bucket, region)
        if address == self.address:
            return self
        return OssConnection(address, self._clock, key=self.keys, limits=self.limits)

    def close(self) -> None:
        """Close idle connections; those in use end with their requests."""
        self.session.close()


def _key_source(key: AccessKey | Fetch | KeySource | None, clock: Clock) -> KeySource:
    if key is None:
        return FixedKey(environment_key())
    if isinstance(key, AccessKey):
        return FixedKey(key)
    return RenewedKey(key, clock) if callable(key) else key


def _open_session(limits: ConnectionLimits) -> requests.Session:
    # Created here and not lazily by the SDK, which does so without a lock. trust_env off: a .netrc
    # entry for the host would replace the signature.
    session = requests.Session()
    session.trust_env = False
    session.headers.clear()
    adapter = CancellableAdapter(limits.connections, proxy=limits.proxy)
    for scheme in ("http://", "https://"):
        session.mount(scheme, adapter)
    if limits.proxy is not None:
        session.proxies = {"http": limits.proxy, "https": limits.proxy}
    return session


def assert_from_oss(url: str, status: int, headers: Mapping[str, str]) -> None:
    """Only what OSS itself says counts: proxies, portals and firewalls answer in its name, with
    any status, and their clock is not that of OSS.

    Raises:
        StoreIntercepted: the answer has no request id (source: OSS API reference, "Common
            response headers").
    """
    if not headers.get(REQUEST_ID):
        host = urlsplit(url).netloc
        raise StoreIntercepted(f"HTTP {status} for {host} is not from OSS: no {REQUEST_ID}")


class ClockedSigner(SignerV4):
    """Signs with the time at OSS instead of the system's clock."""

    def __init__(self, time: OssTime) -> None:
        self._time = time

    def sign(self, signing_ctx: SigningContext) -> None:
        """Sign a request; a time that was set already stays."""
        if signing_ctx.signing_time is None:
            signing_ctx.signing_time = self._time.now()
        super().sign(signing_ctx)


class CancellableHttpClient(RequestsHttpClient):
    """Sends the SDK's requests so that the flag of the thread can interrupt them, and updates the
    time at OSS from every answer.
    """

    def __init__(self, session: requests.Session, time: OssTime, limits: ConnectionLimits) -> None:
        super().__init__(
            session=session,
            connect_timeout=limits.connect_timeout,
            readwrite_timeout=limits.answer_timeout,
        )
        self._time = time
        self._limits = limits

    def send(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Send one request, in one attempt. `readwrite_timeout` is the deadline of the whole call,
        unless it carries bytes of a file.

        Raises:
            StoreIntercepted: something in between answered.
            StoreUnavailable: the call took too long.
        """
        asked_at = self._time.local()
        wire = self._wire(request, kwargs.get("readwrite_timeout"))
        with as_one_call(wire):
            response = super().send(request, **kwargs)
        assert_from_oss(request.url, response.status_code, response.headers)
        self._time.learn(response.headers.get("Date"), asked_at)
        return response

    def _wire(self, request: HttpRequest, asked: float | None) -> CancellableConnection:
        is_transfer = not isinstance(request.body, bytes | str | None)
        deadline = None if is_transfer else asked or self._limits.call_deadline
        return CancellableConnection(
            self._limits.send_deadline,
            answer_deadline=self._limits.answer_timeout,
            deadline=deadline,
        )


@contextmanager
def as_one_call(wire: CancellableConnection) -> Iterator[None]:
    """Let the flag of the thread, and the deadlines of `wire`, cut the request of the block.

    Raises:
        StoreUnavailable: it took too long, or was cut, which `translated` tells apart.
    """
    flag = current_flag()
    try:
        with wire.in_this_thread(), flag.calling(wire.cut) if flag else nullcontext():
            yield
    except (sdk.BaseError, HTTPError, OSError):
        # Where nothing was cut the error says more; where it was, what it says is about our cut.
        if not wire.is_cut:
            raise
    if wire.is_cut:  # An answer that was cut inside its headers looks like a whole one.
        raise StoreUnavailable("no whole answer came in time")


class OssLinkLimit:
    """Implements `LinkLimit`; only a key that must be renewed needs a thread."""

    def __init__(self, connection: OssConnection, threads: Threads) -> None:
        self._connection = connection
        self._threads = threads

    async def latest_end(self, wanted: datetime) -> datetime:
        """Return when a link that should end at `wanted` ends."""
        if self._connection.signable_until(wanted) == wanted:
            return wanted
        return await self._threads.call(lambda: self._connection.prepare_link(wanted))
