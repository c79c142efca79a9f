"""What systemd is told: that the bot is ready, that it stops, that it still turns.

A datagram to the socket that `Type=notify` provides. Without one (nothing set the variables)
nothing happens. Source of names and units: systemd, man pages sd_notify(3),
sd_watchdog_enabled(3).
"""

import asyncio
import os
import socket
from collections.abc import Mapping

import structlog

log = structlog.stdlib.get_logger(__name__)


class Notifier:
    """Talks to the service manager. `environ` are the variables of the process."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._watchdog = _watchdog_seconds(environ)

    @property
    def watchdog_every(self) -> float | None:
        """Seconds between two signs of life, half of what is allowed; `None` where nobody
        waits.
        """
        return None if self._watchdog is None else self._watchdog / 2

    def ready(self, status: str) -> None:
        """Say that the bot listens; `status` is shown by `systemctl status`."""
        self._send(f"READY=1\nSTATUS={status}")

    def stopping(self) -> None:
        """Say that the bot has been told to end, and does."""
        self._send("STOPPING=1\nSTATUS=stopping")

    async def keep_alive(self) -> None:
        """Give a sign of life from the event loop as often as is asked for, until cancelled; a
        loop that hangs gives none, and the service is started anew.

        Returns at once where nobody waits for it.
        """
        while (every := self.watchdog_every) is not None:
            self._send("WATCHDOG=1")
            await asyncio.sleep(every)

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                # A manager that does not read must not hold up the loop.
                channel.settimeout(0.0)
                channel.sendto(message.encode(), self._address)
        except OSError as error:
            log.warning("cannot tell the service manager", why=error.strerror)


def _address(given: str) -> str:
    # A leading "@" stands for the NUL of an abstract socket.
    return f"\0{given[1:]}" if given.startswith("@") else given


def _watchdog_seconds(environ: Mapping[str, str]) -> float | None:
    """Return what the manager allows between two signs of life, if it waits for ours."""
    given = environ.get("WATCHDOG_USEC", "")
    is_ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(given) / 1e6 if given.isdigit() and int(given) and is_ours else None
