"""`relay-bot run`: the bot's process, with settings, signals, systemd and exit codes.

Readiness, stopping and the watchdog are reported to systemd by datagrams to the socket that
`Type=notify` provides; without one nothing is sent. Source of names and units: systemd, man pages
sd_notify(3), sd_watchdog_enabled(3).
"""

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from typing import Annotated, Any, Final, NoReturn

import structlog
import typer

from bot.adapters.oss.access_checks import BucketUnfit
from bot.adapters.telegram.application import WebhookRefused
from bot.adapters.telegram.request import TokenRefused
from bot.app import serve
from bot.cli.common import (
    BAD_SETTINGS,
    FAILED,
    OK,
    SettingsFile,
    load_settings,
    secrets_of,
    settings_file,
)
from bot.core.errors import PortTaken, RelayError, StoreKeyRefused
from bot.core.ports.runs import Role
from bot.logs import configure
from bot.settings import Settings, warnings

log = structlog.stdlib.get_logger(__name__)

TURN: Final = 0.0005
"""Switch interval in seconds: the time for which a thread keeps the interpreter's lock while
another one waits for it. The default is ten times as long: after each release of the lock, to read
a socket or to hash a block, the loop would wait that long for every upload thread that is quicker.
"""


def favour_the_loop() -> None:
    """Shorten the switch interval of threads, and exempt present objects from garbage collection.

    Libraries and the assembled bot are about 150,000 objects. A full collection traverses all of
    them while it holds the interpreter's lock, which blocks the event loop for 100 ms and more,
    also during transfers. Without them it takes a few milliseconds.

    Blocks for about as long as one such collection. Call it once, at the end of the start: exempt
    objects are still freed, but cycles among them are not.
    """
    sys.setswitchinterval(TURN)
    gc.collect()
    gc.freeze()


class Notifier:
    """Sends notifications to the service manager. `environ` are the variables of the process."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._watchdog = _watchdog_seconds(environ)

    @property
    def watchdog_every(self) -> float | None:
        """Seconds between two watchdog pings, half of the allowed time; `None` without a
        watchdog.
        """
        return None if self._watchdog is None else self._watchdog / 2

    def ready(self, status: str) -> None:
        """Report that the bot is ready; `status` is shown by `systemctl status`."""
        self._send(f"READY=1\nSTATUS={status}")

    def stands_by(self, why: str) -> None:
        """Report that the process waits for its turn, as ready: a start, and the boot of the
        machine, would wait for it without end.
        """
        self.ready(f"stands by: {why}")

    def stopping(self) -> None:
        """Report that the bot is stopping."""
        self._send("STOPPING=1\nSTATUS=stopping")

    async def keep_alive(self) -> None:
        """Send watchdog pings from the event loop, until cancelled; a hanging loop sends none, and
        systemd restarts the service.

        Returns at once without a watchdog.
        """
        while (every := self.watchdog_every) is not None:
            self._send("WATCHDOG=1")
            await asyncio.sleep(every)

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                # A manager that does not read must not block the loop.
                channel.settimeout(0.0)
                channel.sendto(message.encode(), self._address)
        except OSError as error:
            log.warning("cannot tell the service manager", why=error.strerror)


def _address(given: str) -> str:
    # A leading "@" stands for the NUL of an abstract socket.
    return f"\0{given[1:]}" if given.startswith("@") else given


def _watchdog_seconds(environ: Mapping[str, str]) -> float | None:
    """Return the time that the manager allows between two pings, if it expects them of this
    process.
    """
    given = environ.get("WATCHDOG_USEC", "")
    is_ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(given) / 1e6 if given.isdigit() and int(given) and is_ours else None


UNUSABLE_SETTINGS: Final = (
    BucketUnfit,
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
    role: Annotated[
        Role,
        typer.Option(help="all: one process; front, worker: several, with ledger.url."),
    ] = Role.ALL,
    check: Annotated[
        bool, typer.Option("--check", help="Only check the settings; exit code 2 if they are bad.")
    ] = False,
) -> None:
    """Run the bot until SIGTERM or SIGINT; a second signal ends it at once.

    Example: relay-bot run --settings /etc/relay-bot/settings.toml
    """
    loaded = load_settings(settings)
    for line in warnings(loaded, settings_file(settings), os.environ):
        typer.echo(f"warning: {line}", err=True)
    _refuse_role(loaded, role)
    if check:
        typer.echo("settings: ok")
        return
    configure(loaded.log.level, loaded.log.format, secrets=secrets_of(loaded))
    asyncio.run(_serve_until_signal(loaded, role))


def _refuse_role(settings: Settings, role: Role) -> None:
    if role is Role.ALL:
        return
    if settings.ledger.url is None:
        why = f"--role {role.value} needs a ledger that machines can share: set ledger.url"
    elif find_spec("procrastinate") is None:
        why = f"--role {role.value} needs the extra: pip install 'file-relay-bot[cluster]'"
    else:
        return
    typer.echo(f"relay-bot: {why}", err=True)
    raise typer.Exit(BAD_SETTINGS)


def _serving(role: Role) -> Callable[..., Coroutine[Any, Any, None]]:
    """Return what runs a process of this role."""
    if role is Role.WORKER:
        # Imported only here: most bots have one process.
        from bot.worker import serve_worker

        return serve_worker
    return partial(serve, role=role)


async def _serve_until_signal(settings: Settings, role: Role) -> None:
    stop, notifier = asyncio.Event(), Notifier(os.environ)
    _on_signals(stop, notifier)

    def ready(name: str) -> None:
        favour_the_loop()
        is_worker = role is Role.WORKER
        notifier.ready(f"worker {name}" if is_worker else f"listening as @{name}")

    # Stored here, because the loop itself keeps only a weak reference to the task.
    signs_of_life = asyncio.create_task(notifier.keep_alive())
    try:
        await _serving(role)(settings, stop=stop, ready=ready, stands_by=notifier.stands_by)
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
            # The second signal asks for an immediate end.
            os._exit(FAILED)
        stop.set()
        notifier.stopping()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)


def _leave(code: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        # A full disk, or one that was closed, must not keep the process from ending.
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    # From inside the loop, and not by sys.exit: both the end of the loop and that of the
    # interpreter would wait for threads that hang in sockets. The ledger is complete by now.
    os._exit(code)
