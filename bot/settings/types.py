"""Types of single settings, and sizes and durations as people write them."""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, SecretStr

from bot.clock import find_zone
from bot.core.files import LONGEST_LIFETIME, SHORTEST_LIFETIME

_SIZE_UNITS: Final = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 1 << 10,
    "MIB": 1 << 20,
    "GIB": 1 << 30,
    "TIB": 1 << 40,
}
_DURATION_UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*")


def parse_size(value: object) -> int:
    """Return a size in bytes: a whole number of bytes, or text with a unit, decimal (MB) or
    binary (MiB), in any case.

    Raises:
        ValueError: it is neither, or not a whole number of bytes.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    unit = _SIZE_UNITS.get(match[2].upper()) if match else None
    if match is None or unit is None:
        raise ValueError("not a size")
    size = float(match[1]) * unit
    if not size.is_integer():
        raise ValueError("not a whole number of bytes")
    # Floats are exact only to 2^53; whole numbers go around them.
    return int(match[1]) * unit if match[1].isdecimal() else int(size)


def parse_duration(value: object) -> timedelta:
    """Return a duration: text made of numbers with units, largest first or not ("1h30m", "90s").

    A bare number is refused, because its unit is unknown.

    Raises:
        ValueError: it is not such text, or exceeds the range of the type.
    """
    if isinstance(value, timedelta):
        return value
    text = value.strip() if isinstance(value, str) else ""
    if not text or _DURATION.sub("", text):
        raise ValueError("not a duration")
    seconds = sum(
        float(number) * _DURATION_UNITS[unit] for number, unit in _DURATION.findall(text)
    )
    try:
        return timedelta(seconds=seconds)
    except OverflowError as error:
        raise ValueError("not a duration of this world") from error


@dataclass(frozen=True, slots=True)
class Allowed:
    """Allowed values of a setting, as the end of a sentence; the value of a `secret` one is never
    shown.
    """

    text: str
    secret: bool = False


class Contradiction(ValueError):
    """A value that is invalid in combination with another one; the text names it and the reason.

    `key` is the dotted name where it is not that of the value under validation.
    """

    def __init__(self, text: str, *, key: str | None = None) -> None:
        super().__init__(text)
        self.key = key


def is_loopback(url: str) -> bool:
    """Return whether a URL names this machine itself, by address or as `localhost`."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_of_oss(host: str) -> bool:
    """Return whether a host is one of Alibaba Cloud's own, such as the endpoints of OSS."""
    return host.endswith(".aliyuncs.com")


_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


def _check_host(host: str) -> None:
    """Refuse what is neither an IP address nor a name that DNS could know (RFC 1123; underscores
    occur in local names).
    """
    try:
        ipaddress.ip_address(host)
    except ValueError:
        # Raises a UnicodeError, which is a ValueError, for what has no form in ASCII.
        labels = host.encode("idna").decode().lower().removesuffix(".").split(".")
        if labels[-1].isdigit() or not all(map(_LABEL.fullmatch, labels)):
            raise ValueError("not a host") from None


def _split_url(text: str, schemes: set[str]) -> SplitResult:
    """Split a URL that has a host, one of `schemes`, and neither query nor fragment."""
    parts = urlsplit(text)
    if parts.scheme not in schemes or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("not such a URL")
    _check_host(parts.hostname)
    # urllib checks the port only when it is asked for.
    if parts.port == 0:
        raise ValueError("a port at which nothing can listen")
    return parts


def _web_url(text: str) -> str:
    parts = _split_url(text, {"http", "https"})
    if parts.username is not None or parts.password is not None:
        raise ValueError("a URL with a password in it")
    return text.rstrip("/")


def _web_origin(text: str) -> str:
    url = _web_url(text if "://" in text else f"https://{text}")
    if urlsplit(url).path:
        raise ValueError("a URL with a path")
    if urlsplit(url).scheme == "http" and not is_loopback(url):
        raise ValueError("a URL that anyone on the way can read")
    return url


def _network(text: str) -> str:
    """Return a network in its shortest form; a single address is one of its own."""
    return str(ipaddress.ip_network(text))


def _proxy(secret: SecretStr) -> SecretStr:
    schemes = {"http", "https", "socks4", "socks5", "socks5h"}
    if _split_url(secret.get_secret_value(), schemes).port is None:
        raise ValueError("a proxy without a port")
    return secret


def _postgres(secret: SecretStr) -> SecretStr:
    parts = urlsplit(secret.get_secret_value())
    if parts.scheme not in {"postgresql", "postgres"} or not parts.path.strip("/"):
        raise ValueError("not the URL of a database")
    # urllib checks the port only when it is asked for; several hosts have a port each.
    if "," not in parts.netloc and parts.port == 0:
        raise ValueError("a port at which nothing can listen")
    return secret


PLACEHOLDER: Final = "replace-me"
"""In the secrets of `settings.example.toml`."""
EXAMPLE_BUCKET: Final = "my-relay-bucket"
EXAMPLE_USER: Final = 123456789


def _secret_of(pattern: str) -> Callable[[SecretStr], SecretStr]:
    def check(secret: SecretStr) -> SecretStr:
        if PLACEHOLDER in secret.get_secret_value():
            raise Contradiction("is still the placeholder of settings.example.toml")
        if not re.fullmatch(pattern, secret.get_secret_value()):
            raise ValueError("does not look like one")
        return secret

    return check


def _own_bucket(name: str) -> str:
    if name == EXAMPLE_BUCKET:
        raise Contradiction("is still the example of settings.example.toml: name your own bucket")
    return name


def _number(value: object) -> object:
    # TOML's `true` is a Python int and is never meant as 1.
    if isinstance(value, bool):
        raise ValueError("not a number")  # noqa: TRY004 - pydantic reports only this one
    return value


def _split_list(value: object) -> object:
    """Parse "1, 2", for variables, which cannot contain a list."""
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


def _split_map(value: object) -> object:
    """Parse "/there=/here, /b=/c", for variables, which cannot contain a table."""
    if not isinstance(value, str):
        return value
    pairs = [item.partition("=") for item in value.split(",") if item.strip()]
    return {there.strip(): here.strip() for there, _, here in pairs}


def _absolute_map(paths: dict[str, Path]) -> dict[str, Path]:
    if not all(Path(there).is_absolute() and here.is_absolute() for there, here in paths.items()):
        raise ValueError("a path that is not absolute")
    return paths


def _known_zone(name: str) -> str:
    find_zone(name)
    return name


_SIZE_EXAMPLES: Final = 'such as "512KiB", "8MiB", "20MB", "10GiB"'

Token = Annotated[
    SecretStr,
    AfterValidator(_secret_of(r"[1-9][0-9]{0,19}:[A-Za-z0-9_-]{10,60}")),
    Allowed("the token that @BotFather gave you, such as 123456789:AAE…", secret=True),
]
AccessKey = Annotated[
    SecretStr,
    AfterValidator(_secret_of(r"[!-~]{4,128}")),
    Allowed("an access key of Alibaba Cloud, without blanks", secret=True),
]
ProxyUrl = Annotated[
    SecretStr,
    AfterValidator(_proxy),
    Allowed(
        "a URL such as http://127.0.0.1:3128 or socks5://user:password@host:1080", secret=True
    ),
]
PostgresUrl = Annotated[
    SecretStr,
    AfterValidator(_postgres),
    Allowed("a URL such as postgresql://relay:password@db.example:5432/relay", secret=True),
]
WebUrl = Annotated[
    str,
    AfterValidator(_web_url),
    Allowed("a URL such as https://api.telegram.org, without user, query or fragment"),
]
WebOrigin = Annotated[
    str,
    AfterValidator(_web_origin),
    Allowed("https:// and a host, without a path (http:// only for 127.0.0.1)"),
]
Networks = Annotated[
    tuple[Annotated[str, AfterValidator(_network)], ...],
    BeforeValidator(_split_list),
    Allowed('a list of IP addresses and networks such as ["127.0.0.0/8", "10.0.3.7"]'),
]
Bucket = Annotated[
    str,
    Field(pattern=r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]\Z"),
    AfterValidator(_own_bucket),
    Allowed("the bucket's name: 3 to 63 lower-case letters, digits and hyphens"),
]
Region = Annotated[
    str,
    Field(pattern=r"^[a-z]{2}-[a-z0-9-]+\Z"),
    Allowed('a region id such as "cn-hongkong", without "oss-" in front'),
]
Size = Annotated[
    int, BeforeValidator(parse_size), Field(gt=0), Allowed(f"a size above 0, {_SIZE_EXAMPLES}")
]
SizeOrNone = Annotated[
    int, BeforeValidator(parse_size), Field(ge=0), Allowed(f"0 or a size, {_SIZE_EXAMPLES}")
]
Lifetime = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    Field(ge=SHORTEST_LIFETIME, le=LONGEST_LIFETIME),
    Allowed('at least 1 s and at most 23 h 55 min, such as "23h55m", "90m", "3600s"'),
]
TokenLifetime = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    Field(ge=timedelta(minutes=15), le=timedelta(hours=12)),
    Allowed('from "15m" to "12h"'),
]
"""Source: STS API reference, AssumeRoleWithOIDC, DurationSeconds."""
Keep = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    Field(ge=timedelta(days=3), le=timedelta(days=36500)),
    Allowed('at least "3d", such as "30d", "365d"'),
]
"""Limits and copies of files sent again look back 24 hours, and so far back Telegram delivers an
update again.
"""
Moment = Annotated[
    AwareDatetime, Allowed("a date and time with its zone, such as 2026-01-31T18:00:00Z")
]
KeyName = Annotated[
    str, Field(pattern=r"^[\w.@-]{1,64}\Z"), Allowed("a name of letters, digits, and . @ - _")
]
WorkerName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9._-]{1,48}\Z"),
    Allowed("a name of at most 48 letters, digits, and . _ -"),
]
Grace = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    Field(ge=timedelta(0), le=timedelta(minutes=10)),
    Allowed('from "0s" to "10m"'),
]
Connections = Annotated[
    int,
    BeforeValidator(_number),
    Field(ge=1, le=256),
    Allowed("a whole number from 1 to 256"),
]
Count = Annotated[
    int, BeforeValidator(_number), Field(ge=1, le=64), Allowed("a whole number from 1 to 64")
]
CountOrNone = Annotated[
    int,
    BeforeValidator(_number),
    Field(ge=0, le=1_000_000),
    Allowed("a whole number, 0 for no limit"),
]
UserIds = Annotated[
    tuple[Annotated[int, BeforeValidator(_number), Field(gt=0)], ...],
    BeforeValidator(_split_list),
    Allowed("a list of numeric user ids such as [123456789]; the bot sends new users their id"),
]
GroupIds = Annotated[
    tuple[Annotated[int, BeforeValidator(_number), Field(lt=0)], ...],
    BeforeValidator(_split_list),
    Allowed("a list of group ids such as [-1001234567890]; the bot sends new groups their id"),
]
Zone = Annotated[
    str,
    AfterValidator(_known_zone),
    Allowed('the IANA name of a time zone such as "Asia/Shanghai", or an offset such as "UTC+8"'),
]
LocalPath = Annotated[
    Path, AfterValidator(Path.expanduser), Allowed("a path; a relative one starts at this file")
]
PathMap = Annotated[
    dict[str, Path],
    BeforeValidator(_split_map),
    AfterValidator(_absolute_map),
    Allowed('absolute paths such as { "/var/lib/telegram-bot-api" = "/srv/telegram" }'),
]
