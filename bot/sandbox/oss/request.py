"""Decode a request: bucket and key, query and headers.

The key is the decoded one: clients quote differently (`/` may arrive as `%2F`, other characters
re-quoted), so that everything below, the signatures above all, starts from the decoded text.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes, urlsplit

from bot.sandbox.oss.errors import OssError

_ENDPOINT = re.compile(
    r"(?:(?P<bucket>.+)\.)?oss-(?P<region>[a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com"
)
_MAX_KEY_BYTES = 1023


@dataclass(frozen=True)
class Address:
    """The target of a request: `bucket` and `key` are empty where it has none.

    `region` is that of the endpoint in the Host header, `None` for an address or a custom domain.
    """

    bucket: str
    key: str
    region: str | None = None
    is_default_domain: bool = True


@dataclass(frozen=True)
class OssRequest:
    """A decoded request; `pairs` is the query in its order, header names are lower-case."""

    method: str
    host: str
    address: Address
    pairs: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]

    @property
    def bucket(self) -> str:
        """The bucket's name, empty at service level."""
        return self.address.bucket

    @property
    def key(self) -> str:
        """The object's key, empty at bucket level."""
        return self.address.key

    def query(self, name: str, default: str = "") -> str:
        """Return a query parameter; the last one wins."""
        return next((value for key, value in reversed(self.pairs) if key == name), default)

    def has(self, name: str) -> bool:
        """Return whether the query has a parameter, even an empty one."""
        return any(key == name for key, _ in self.pairs)

    def header(self, name: str, default: str = "") -> str:
        """Return a header by its lower-case name."""
        return self.headers.get(name, default)

    @property
    def length(self) -> int | None:
        """Bytes of the body as announced, `None` where the body is chunked or there is none."""
        text = self.header("content-length")
        return int(text) if text.isdigit() else None


def decode(
    method: str, target: str, headers: Mapping[str, str], domains: Mapping[str, str]
) -> OssRequest:
    """Decode a request line and its headers. `domains` maps custom domains to their buckets.

    Raises:
        OssError: the path is not UTF-8, or a default endpoint is addressed in path style.
    """
    path, _, query = _origin_form(target).partition("?")
    host = headers.get("host", "")
    pairs = tuple(_decode_pair(pair) for pair in query.split("&") if pair)
    return OssRequest(method, host, _locate(host, path, domains), pairs, headers)


def _origin_form(target: str) -> str:
    """Cut scheme and host from a target in absolute form, as proxies receive it."""
    if target.startswith("/"):
        return target
    parts = urlsplit(target)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _decode_pair(pair: str) -> tuple[str, str]:
    name, _, value = pair.partition("=")
    return _unquote(name.replace("+", " ")), _unquote(value.replace("+", " "))


def _unquote(text: str) -> str:
    try:
        return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode()
    except UnicodeDecodeError as error:
        message = "The specified object is not valid."
        raise OssError(400, "InvalidObjectName", message) from error


def _locate(host: str, path: str, domains: Mapping[str, str]) -> Address:
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    rest = path.removeprefix("/")
    if name in domains:
        return Address(domains[name], _unquote(rest), is_default_domain=False)
    if match := _ENDPOINT.fullmatch(name):
        region = match["region"]
        if match["bucket"]:
            return Address(match["bucket"], _unquote(rest), region)
        if rest:
            raise _second_level_domain(name)
        return Address("", "", region)
    if not _is_address(name):
        return Address(name.partition(".")[0], _unquote(rest))
    bucket, _, key = rest.partition("/")
    return Address(_unquote(bucket), _unquote(key))


def _is_address(name: str) -> bool:
    if name in {"", "localhost"}:
        return True
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _second_level_domain(host: str) -> OssError:
    message = (
        "The bucket you are attempting to access must be addressed using OSS third level domain."
    )
    return OssError(403, "SecondLevelDomainForbidden", message, details={"HostId": host})


def check_key(key: str) -> None:
    """Refuse keys that OSS does not accept.

    Raises:
        OssError: longer than 1023 bytes of UTF-8, or starting with `/` or a backslash.

    Source: OSS documentation, "Object naming conventions".
    """
    if key.startswith("/"):
        raise _invalid_name(key, "0016-00000005")
    if key.startswith("\\") or len(key.encode()) > _MAX_KEY_BYTES:
        raise _invalid_name(key, "")


def _invalid_name(key: str, ec: str) -> OssError:
    message = "The specified object is not valid."
    return OssError(400, "InvalidObjectName", message, ec, {"ObjectName": key})


def check_bucket_name(name: str) -> None:
    """Refuse names that no bucket can have (3 to 63 lower-case letters, digits and hyphens).

    Raises:
        OssError: the name is not allowed.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", name):
        message = "The specified bucket is not valid."
        raise OssError(400, "InvalidBucketName", message, details={"BucketName": name})
