"""Where a bucket is, for uploads and for those who open links."""

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import quote, urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketAddress:
    """A bucket and the hosts under which it is reached. Endpoints without a scheme are https.

    `endpoint` is the public one, derived from the region if not given; `upload_endpoint` is used
    for everything but links (an internal one costs nothing and is faster inside the region).
    `link_domain` is a domain of the operator that is bound to the bucket. `path_style` puts the
    bucket into the path, as endpoints that are IP addresses need; those are recognized by
    themselves.
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
    def _public_base(self) -> str:
        return _with_scheme(self.endpoint or f"oss-{self.region}.aliyuncs.com")

    def object_url(self, key: str) -> str:
        """Return the plain URL of an object for the public."""
        return f"{self._bucket_base}/{quote(key)}"

    @property
    def public_host(self) -> str:
        """Host, and port if there is one, of every URL for the public."""
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
