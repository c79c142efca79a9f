"""Links to objects."""

from datetime import datetime, timedelta

from alibabacloud_oss_v2.types import HttpRequest, SigningContext

from bot.adapters.oss.client import PRODUCT, OssConnection
from bot.core.links import LinkMode, is_open


class OssLinkSigner:
    """Fulfils the `LinkSigner` port; computes only, in about 0.1 ms, from any thread.

    The file name and type are stored with the object, so the URL need not repeat them. With an STS
    token a signed link dies with the token: see `credentials_are_temporary`.
    """

    def __init__(self, connection: OssConnection, mode: LinkMode) -> None:
        self._connection = connection
        self._mode = mode

    @property
    def credentials_are_temporary(self) -> bool:
        """Whether signed links may end before `expires_at`, because an STS token signs them."""
        return self._connection.credentials_are_temporary

    def link(self, key: str, *, expires_at: datetime, now: datetime) -> str:
        """Return the URL of `key`, as of `now` on our clock.

        Signed: the link ends at OSS's clock after the time that is left between `now` and
        `expires_at`, in whole seconds, rounded down. Public: the plain URL, which only
        deleting the object ends.

        Raises:
            ValueError: the link is not open at `now`, see `core.links.is_open` (signed mode).
        """
        url = self._connection.address.object_url(key)
        return url if self._mode is LinkMode.PUBLIC else self._sign(url, key, expires_at, now)

    def _sign(self, url: str, key: str, expires_at: datetime, now: datetime) -> str:
        if not is_open(expires_at, now):
            raise ValueError("a link must have at least a second to live")
        address = self._connection.address
        request = HttpRequest("GET", url)
        # The same moment at OSS: counted from any later one, the link would outlive its end.
        signed_at = now + self._connection.time.offset
        context = SigningContext(
            product=PRODUCT,
            region=address.region,
            bucket=address.bucket,
            key=key,
            request=request,
            credentials=self._connection.credentials(),
            signing_time=signed_at,
        )
        # Signed by hand and not with Client.presign, which reads the system's clock.
        context.auth_method_query = True
        context.expiration_time = signed_at + timedelta(
            seconds=(expires_at - now) // timedelta(seconds=1)
        )
        self._connection.signer.sign(context)
        return request.url
