"""Notifications to systemd."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.cli.notify import Notifier

HALF_A_SECOND = "500000"


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket of a service manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        channel.settimeout(5)
        yield channel


def variables(manager: socket.socket, **more: str) -> dict[str, str]:
    """Return the variables that such a manager sets."""
    return {"NOTIFY_SOCKET": manager.getsockname(), **more}


def test_states(manager: socket.socket) -> None:
    """The manager is told of start and stop, with a line for people."""
    notifier = Notifier(variables(manager))
    notifier.ready("listening as @relay_bot")
    notifier.stopping()

    assert [
        manager.recv(200),
        manager.recv(200),
    ] == [b"READY=1\nSTATUS=listening as @relay_bot", b"STOPPING=1\nSTATUS=stopping"]


def test_abstract_socket() -> None:
    """A leading @ names a socket that is no file."""
    name = f"relay-bot-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(f"\0{name}")
        channel.settimeout(5)
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).stopping()

        assert channel.recv(200).startswith(b"STOPPING=1")


async def test_signs_of_life(manager: socket.socket) -> None:
    """The loop gives a sign twice in the time that is allowed, from the first moment on."""
    notifier = Notifier(variables(manager, WATCHDOG_USEC="2000", WATCHDOG_PID=str(os.getpid())))
    signs = asyncio.create_task(notifier.keep_alive())
    received = [await asyncio.to_thread(manager.recv, 200) for _ in range(3)]
    signs.cancel()
    await asyncio.gather(signs, return_exceptions=True)

    assert notifier.watchdog_every == 0.001
    assert received == [b"WATCHDOG=1"] * 3


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": HALF_A_SECOND, "WATCHDOG_PID": "1"},
    ],
)
async def test_nobody_waits(environ: dict[str, str]) -> None:
    """Without a watchdog, or with one for another process, no sign is given."""
    notifier = Notifier(environ)
    await notifier.keep_alive()

    assert notifier.watchdog_every is None


def test_no_manager(tmp_path: Path) -> None:
    """Without a manager, or with one that is gone, nothing happens."""
    for environ in ({}, {"NOTIFY_SOCKET": str(tmp_path / "gone")}):
        Notifier(environ).ready("x")

    assert list(tmp_path.iterdir()) == []
