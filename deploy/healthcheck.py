#!/usr/bin/env python3
"""Health check of the image: whether the event loop of the bot turns.

Whether the bot can work is another question, which a restart does not answer: /readyz tells. The
port is the one of the settings: a variable, the file, the default of the image, in this order.
"""

import os
import sys
import tomllib
import urllib.request

SETTINGS = "/etc/relay-bot/settings.toml"


def given(key: str, path: str) -> str:
    """Return a setting of [web]."""
    if value := os.environ.get(f"RELAY_WEB__{key.upper()}"):
        return value
    try:
        with open(path, "rb") as file:
            value = tomllib.load(file).get("web", {}).get(key)
    except OSError:
        value = None
    return str(value or os.environ.get(f"RELAY_DEFAULT__WEB__{key.upper()}", ""))


def address(path: str) -> str:
    """Return the page to ask for. A bot that listens everywhere is asked on the loopback."""
    host = given("host", path) or "127.0.0.1"
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{host}:{given('port', path)}/healthz"


if __name__ == "__main__":
    # Variables such as http_proxy are for others.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener.open(address(*sys.argv[1:2] or [SETTINGS]), timeout=4).close()
