"""Which requests of a browser come from a page of the stand-in itself.

Listening on loopback only does not keep out the pages that a browser of this machine shows. A page
with a DNS name that leads to loopback (DNS rebinding) is known by its Host. A page of another site
or port is known by its Origin: browsers send it with every POST, and with every request whose
answer such a page could read (source: Fetch standard, "`Origin` header").
"""

import ipaddress

from aiohttp import web


def is_own(request: web.BaseRequest) -> bool:
    """Return whether the Host is loopback, and the Origin, if there is one, the same server."""
    origin = request.headers.get("Origin")
    return _is_loopback(request.host) and origin in {None, f"http://{request.host}"}


def _is_loopback(host: str) -> bool:
    name = host.rsplit(":", 1)[0]
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
