"""Faults on a connection: reset it, close it early, answer as a proxy does."""

import asyncio
import struct
from socket import SO_LINGER, SOL_SOCKET

from aiohttp import web


def reset_connection(request: web.BaseRequest) -> web.Response:
    """Send RST, as a crash does. The response returned never reaches the client."""
    transport = request.transport
    if transport is not None:
        socket = transport.get_extra_info("socket")
        if socket is not None:
            # Lingering for 0 s makes the kernel send RST instead of FIN.
            socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()
    return web.Response(status=500)


def close_connection(request: web.BaseRequest) -> web.Response:
    """Close after what has been written. The response returned never reaches the client."""
    if request.transport is not None:
        request.transport.close()
    return web.Response(status=500)


def proxy_page(status: int) -> str:
    """Return the HTML page of a proxy between client and server."""
    return f"<html><head><title>{status} Bad Gateway</title></head><body>nginx</body></html>"
