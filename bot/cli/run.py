"""`relay-bot run`: the bot as a process: settings, signals, systemd and exit codes.

systemd is told that the bot is ready, that it stops, and that its event loop turns, by datagrams
to the socket that `Type=notify` provides; without one nothing is sent. Source of names and units:
systemd, man pages sd_notify(3), sd_watchdog_enabled(3).
"""

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Mapping
from typing import Annotated, Final, NoReturn

import structlog
import typer

from bot.adapters.oss.access_checks import BucketExposed
from bot.adapters.telegram.errors import TokenRefused
from bot.adapters.telegram.intake import WebhookRefused
from bot.adapters.web import PortTaken
from bot.app import serve
from bot.cli.common import BAD_SETTINGS, FAILED, OK, SettingsFile, load_settings, secrets_of
from bot.core.errors import RelayError, StoreKeyRefused
from bot.logs import configure
from bot.settings import Settings, warnings

log = structlog.stdlib.get_logger(__name__)

TURN: Final = 0.0005
"""Seconds that a thread keeps the interpreter's lock while another one waits for it. The default
is ten times as long: whenever the loop gives the lock up for a moment, to read a socket or to
hash a block, it would have to wait so long for every upload thread that is quicker.
"""


def favour_the_loop() -> None:
    """Let threads take short turns, and set apart what is in memory now.

    Libraries and the assembled bot are about 150,000 objects. A full collection walks through all
    of them and keeps the interpreter's lock meanwhile, which holds up the event loop by 100 ms and
    more, in the middle of transfers. Once they are set apart it takes a few milliseconds.

    Blocks for about as long as one such collection. Call it once, at the end of the start: objects
    that end later are still freed, but cycles among these are not.
    """
    sys.setswitchinterval(TURN)
    gc.collect()
    gc.freeze()


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


UNUSABLE_SETTINGS: Final = (
    BucketExposed,
    TokenRefused,
    PortTaken,
    WebhookRefused,
    StoreKeyRefused,
)
"""Why a bot cannot run with these settings, however often it is started; the text of each says
what to do.
"""


def run(
    *,
    settings: SettingsFile = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only check the settings; exit code 2 if they are bad.")
    ] = False,
) -> None:
    """Run the bot until SIGTERM or SIGINT; a second signal ends it at once.

    Example: relay-bot run --settings /etc/relay-bot/settings.toml
    """
    loaded = load_settings(settings)
    for line in warnings(loaded):
        typer.echo(f"warning: {line}", err=True)
    if check:
        typer.echo("settings: ok")
        return
    configure(loaded.log.level, loaded.log.format, secrets=secrets_of(loaded))
    asyncio.run(_serve_until_signal(loaded))


async def _serve_until_signal(settings: Settings) -> None:
    stop, notifier = asyncio.Event(), Notifier(os.environ)
    _on_signals(stop, notifier)

    def ready(username: str) -> None:
        favour_the_loop()
        notifier.ready(f"listening as @{username}")

    # Held here, because the loop itself forgets a task that nobody holds.
    signs_of_life = asyncio.create_task(notifier.keep_alive())
    try:
        await serve(settings, stop=stop, ready=ready)
    except UNUSABLE_SETTINGS as error:
        typer.echo(f"relay-bot: {error}", err=True)
        _leave(BAD_SETTINGS)
    except RelayError as error:
        typer.echo(f"relay-bot: {error}", err=True)
        _leave(FAILED)
    except Exception as error:
        # A defect: its traceback goes to the log, redacted.
        log.exception("the bot ended unexpectedly")
        typer.echo(f"relay-bot: unexpected error, {type(error).__name__}", err=True)
        _leave(FAILED)
    finally:
        signs_of_life.cancel()
    _leave(OK)


def _on_signals(stop: asyncio.Event, notifier: Notifier) -> None:
    def on_signal() -> None:
        if stop.is_set():
            # The second signal: whoever sends it does not want to wait for anything.
            os._exit(FAILED)
        stop.set()
        notifier.stopping()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)


def _leave(code: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    # From inside the loop, and not by sys.exit: both the loop's end and the interpreter's would
    # wait for threads that hang in sockets. Everything is in the ledger by now.
    os._exit(code)
