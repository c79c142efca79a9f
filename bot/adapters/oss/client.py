"""The connection to OSS: the SDK's client, built from plain values."""

from dataclasses import dataclass, field
from typing import Any, Final

import requests
from alibabacloud_oss_v2 import credentials, exceptions
from alibabacloud_oss_v2.client import Client
from alibabacloud_oss_v2.config import Config
from alibabacloud_oss_v2.signer.v4 import SignerV4
from alibabacloud_oss_v2.transport.requests_client import RequestsHttpClient
from alibabacloud_oss_v2.types import (
    Credentials,
    CredentialsProvider,
    HttpRequest,
    HttpResponse,
    SigningContext,
)

from bot.adapters.oss.address import BucketAddress
from bot.adapters.oss.connections import CancellableAdapter, CancellableConnection
from bot.adapters.oss.service_time import OssTime
from bot.core.errors import StoreKeyRefused
from bot.core.ports.clock import Clock
from bot.transfer.body import BLOCK
from bot.transfer.flag import current_flag

PRODUCT: Final = "oss"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """Who signs. Nothing of it shows in a `repr` but the id, which every link shows too."""

    access_key_id: str
    access_key_secret: str = field(repr=False)
    security_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """How the line is used; times are seconds.

    `connections` must be at least the number of threads that use it. `minimum_rate` is bytes per
    second of one connection; a block that takes longer than that is a stall. `proxy` is a URL.
    """

    connections: int = 32
    minimum_rate: float = 16 << 10
    connect_timeout: float = 10.0
    answer_timeout: float = 30.0
    complete_timeout: float = 300.0
    """Putting together thousands of parts may take minutes."""
    proxy: str | None = field(default=None, repr=False)

    @property
    def send_deadline(self) -> float:
        """Seconds in which one block must get through."""
        return BLOCK / self.minimum_rate


class OssConnection:
    """What bucket and signer share. Thread-safe; without an access key the SDK's environment
    variables are read, once.

    Raises:
        StoreKeyRefused: there is neither a key nor the environment variables.
    """

    def __init__(
        self,
        address: BucketAddress,
        clock: Clock,
        *,
        key: AccessKey | None = None,
        limits: ConnectionLimits | None = None,
    ) -> None:
        self.address = address
        self.limits = limits or ConnectionLimits()
        self.time = OssTime(clock)
        self.signer = ClockedSigner(self.time)
        self.session = _open_session(self.limits)
        self._provider = _provider(key)
        self.client = Client(self._config(), signer=self.signer)

    def _config(self) -> Config:
        http_client = CancellableHttpClient(self.session, self.time, self.limits)
        return Config(
            region=self.address.region,
            endpoint=self.address.upload_base,
            credentials_provider=self._provider,
            http_client=http_client,
            use_path_style=self.address.path_style,
            retry_max_attempts=1,  # One call is one attempt; bot.transfer.retry owns the others.
            disable_upload_crc64_check=True,  # 498 MB/s, GIL held; bodies use fastcrc.
        )

    @property
    def credentials_are_temporary(self) -> bool:
        """Whether an STS token signs: then links die with the token, whatever they say."""
        return bool(self.credentials().security_token)

    def credentials(self) -> Credentials:
        """Return what signs at this moment."""
        return self._provider.get_credentials()

    def close(self) -> None:
        """Close idle connections; those in use end with their requests."""
        self.session.close()


def _provider(key: AccessKey | None) -> CredentialsProvider:
    if key is not None:
        return credentials.StaticCredentialsProvider(
            key.access_key_id, key.access_key_secret, key.security_token
        )
    try:
        return credentials.EnvironmentVariableCredentialsProvider()
    except exceptions.CredentialsEmptyError:
        raise StoreKeyRefused(
            "no access key: OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET are not set"
        ) from None


def _open_session(limits: ConnectionLimits) -> requests.Session:
    # Made here and not lazily by the SDK, which does that without a lock. trust_env off: a .netrc
    # entry for the host would replace the signature.
    session = requests.Session()
    session.trust_env = False
    session.headers.clear()
    adapter = CancellableAdapter(limits.connections)
    for scheme in ("http://", "https://"):
        session.mount(scheme, adapter)
    if limits.proxy is not None:
        session.proxies = {"http": limits.proxy, "https": limits.proxy}
    return session


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
    """Sends the SDK's requests so that the flag of the thread can cut them, and learns the time
    from every answer.
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
        """Send one request, in one attempt."""
        asked_at = self._time.local()
        wire, flag = CancellableConnection(self._limits.send_deadline), current_flag()
        with wire.in_this_thread():
            if flag is None:
                response = super().send(request, **kwargs)
            else:
                with flag.calling(wire.cut):
                    response = super().send(request, **kwargs)
        # A proxy's own answer has no request id, and its clock is nobody's business.
        if "x-oss-request-id" in response.headers:
            self._time.learn(response.headers.get("Date"), asked_at)
        return response
