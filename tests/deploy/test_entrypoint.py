"""The scripts of the image, run as they are: the entry point with a stand-in for the program, and
the health check with a small server.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.deploy.files import DEPLOY

ALIVE = """
import os, signal, socket, sys, time
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
    manager.connect(os.environ["NOTIFY_SOCKET"].replace("@", "\\0", 1))
    manager.send(b"WATCHDOG=1")
"""
"""A sign of life, as `bot.cli.run.Notifier` sends it."""
WAITS = ALIVE + 'print("ready", flush=True)\nwhile True: signal.pause()\n'


class Container:
    """Starts the entry point with a program of its own in place of `relay-bot`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, program: str, *words: str, seconds: float = 60) -> subprocess.Popen[str]:
        """Start the program below the entry point."""
        path = self.folder / "relay-bot"
        path.write_text(f"#!{sys.executable}\n{program}", encoding="utf-8")
        path.chmod(0o755)
        environ = {
            "PATH": f"{self.folder}:{os.environ['PATH']}",
            "WATCHDOG_SECONDS": str(seconds),
        }
        return subprocess.Popen(
            [sys.executable, DEPLOY / "entrypoint.py", *words],
            env=environ,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, program: str, *words: str, seconds: float = 60) -> tuple[int, str, str]:
        """Return exit code, output and errors."""
        with self.start(program, *words, seconds=seconds) as process:
            out, err = process.communicate(timeout=30)
        return process.returncode, out, err


@pytest.fixture
def container(tmp_path: Path) -> Container:
    """An entry point without a program yet."""
    return Container(tmp_path)


@pytest.mark.parametrize(("code", "shown"), [(0, 0), (1, 1), (2, 0), (3, 3)])
def test_exit_codes(container: Container, code: int, shown: int) -> None:
    """Bad settings are no failure that a restart could cure; all else is as it was."""
    found, _, err = container.run(f"raise SystemExit({code})", "run")

    assert found == shown
    assert ("stays down" in err) == (code == 2)


def test_killed(container: Container) -> None:
    """A bot that was killed, as for want of memory, has failed."""
    code, _, _ = container.run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "run")

    assert code == 137


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped(container: Container, number: signal.Signals) -> None:
    """The bot is told once, and ends as it likes; for the engine it was stopped, so that a reboot
    starts it again.
    """
    # Not print: the signal may arrive inside the one before.
    told = "def stop(*_): os.write(1, b'told\\n'); os._exit(0)\n"
    handlers = "".join(f"signal.signal({n:d}, stop)\n" for n in (signal.SIGTERM, signal.SIGINT))
    with container.start("import os, signal\n" + told + handlers + WAITS, "run") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        out, _ = process.communicate(timeout=30)

    assert (process.returncode, out) == (143, "told\n")


def test_hanging(container: Container) -> None:
    """A bot that gave signs of life and gives none any more is killed, which is a failure."""
    code, _, err = container.run(WAITS, "run", seconds=0.2)

    assert code == 137
    assert "hangs" in err


def test_terminal(container: Container) -> None:
    """Ctrl-C reaches the entry point alone, which tells the bot once: twice means "at once"."""
    code, out, _ = container.run("import os; print(os.getsid(0) == os.getpid())", "run")

    assert (code, out) == (0, "True\n")


def test_silent_start(container: Container) -> None:
    """A start takes as long as it takes: the watchdog begins with the first sign of life."""
    waits = "import time, sys; time.sleep(0.3); sys.exit(5)"
    code, _, _ = container.run(waits, "run", seconds=0.1)

    assert code == 5


@pytest.mark.parametrize("words", [("doctor",), ("run", "--check")])
def test_other_commands(container: Container, words: tuple[str, ...]) -> None:
    """Their exit code is their answer, also 2, and they read the terminal themselves."""
    program = "import os, sys; print('NOTIFY_SOCKET' in os.environ, sys.argv[1:]); sys.exit(2)"
    code, out, _ = container.run(program, *words)

    assert (code, out) == (2, f"False {list(words)}\n")


@contextmanager
def server(status: int) -> Iterator[int]:
    """Answer `/healthz` with a status, and yield the port."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as found:
        Thread(target=found.serve_forever, daemon=True).start()
        yield found.server_port
        found.shutdown()


def check(settings: Path, environ: dict[str, str]) -> int:
    """Run the health check, and return its exit code."""
    # A proxy is for others; none is there.
    environ = {"http_proxy": "http://127.0.0.1:9", **environ}
    command: list[str | Path] = [sys.executable, DEPLOY / "healthcheck.py", settings]
    done = subprocess.run(command, env=environ, capture_output=True, check=False, timeout=30)
    return done.returncode


def test_health_check(tmp_path: Path) -> None:
    """It asks at the port that counts: of a variable, of the file, of the image."""
    file = tmp_path / "settings.toml"
    with server(200) as port, server(503) as other:
        image = {"RELAY_DEFAULT__WEB__PORT": str(other)}
        alone = check(file, image)
        file.write_text(f'[web]\nport = {port}\nhost = "0.0.0.0"\n', encoding="utf-8")
        by_file = check(file, image)
        by_variable = check(file, image | {"RELAY_WEB__PORT": str(other)})

    assert (alone, by_file, by_variable) == (1, 0, 1)
    assert check(file, image) == 1
