"""Validate addresses in links and buttons, as the server does."""

import ipaddress
import re
from urllib.parse import urlsplit

_HOST = re.compile(r"^[^\s/?#@:]+\.[^\s/?#@:.0-9][^\s/?#@:.]*\.?$")


class InvalidLink(ValueError):
    """The server does not accept this address; the text ends the server's error text."""


def check_link(url: str) -> str:
    """Return the address as the server stores it: with scheme, a bare host with `/` behind it.

    The real server refuses hosts without a dot (`localhost`) and accepts IP addresses; so loopback
    addresses pass here by its own rules, and links of the storage stand-in can be buttons.

    Raises:
        WrongLink: another scheme than http, https, tg, ton; no host, or one that cannot be.
    """
    url = url.strip()
    scheme, separator, _ = url.partition("://")
    if scheme.lower() in {"tg", "ton", "tonsite"} and separator:
        return url
    if separator and scheme.lower() not in {"http", "https"}:
        raise InvalidLink("Unsupported URL protocol")
    full = url if separator else f"http://{url}"
    try:
        parts = urlsplit(full)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise InvalidLink("Wrong HTTP URL") from None
    if not _is_host(host) or re.search(r"\s", full):
        raise InvalidLink("Wrong HTTP URL")
    return full if parts.path or parts.query or parts.fragment else f"{full}/"


def checked_link(url: str) -> str | None:
    """Return the address as the server stores it, or `None` for one that it refuses."""
    try:
        return check_link(url)
    except InvalidLink:
        return None


def _is_host(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return _HOST.match(host) is not None
    return True
