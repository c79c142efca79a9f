"""Every command in every state of ledger, disk, network and settings: it ends in words."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from bot.demo.local_stack import BUCKET, LocalStack
from bot.sandbox.faults import Effect, Fault
from tests.cli import test_unusable_ledger as ledgers
from tests.cli.shell import type_in
from tests.conversations.operators import run
from tests.conversations.people import Person
from tests.fakes.ledger import put_empty_ledger

NAME = "salary of Bob.bin"
COMMANDS = (
    ("status",),
    ("status", "--json"),
    ("audit",),
    ("audit", "--fix"),
    ("send", NAME),
    ("doctor",),
    ("setup", "--dry-run"),
    ("setup", "--yes"),
    ("init", "--admin", "1", "--create", "--settings", "new.toml"),
    ("run", "--check"),
)
State = Callable[[LocalStack], object]

NO_KEY = {"RELAY_OSS__ACCESS_KEY_ID": "", "RELAY_OSS__ACCESS_KEY_SECRET": ""}
# Each source of keys fails in its own way; none may be asked anywhere but on this machine.
CREDENTIALS = {
    "environment": {},
    "ecs_ram_role": {
        "RELAY_OSS__ROLE_NAME": "relay",
        "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
    },
    "oidc_role_arn": {
        "ALIBABA_CLOUD_ROLE_ARN": "acs:ram::1:role/relay",
        "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": "acs:ram::1:oidc-provider/relay",
        "ALIBABA_CLOUD_OIDC_TOKEN_FILE": "/no/such/file",
    },
    "profile": {"RELAY_OSS__PROFILE": "relay", "HOME": "/no/such/home"},
}
TEMPORARY = NO_KEY | {
    "OSS_ACCESS_KEY_ID": "STS.id",
    "OSS_ACCESS_KEY_SECRET": "other-secret",
    "OSS_SESSION_TOKEN": "pass-word-token",
}


def _ledger(make: Callable[[Path], Path]) -> State:
    def spoil(stage: LocalStack) -> None:
        stage.more["RELAY_LEDGER__PATH"] = str(make(stage.folder / "ledger"))

    spoil.__name__ = f"ledger {make.__name__}"
    return spoil


def _sql(name: str, *statements: str) -> State:
    def make(path: Path) -> Path:
        put_empty_ledger(path)
        with sqlite3.connect(path) as connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()
        return path

    make.__name__ = name
    return _ledger(make)


def _settings(name: str, **more: str) -> State:
    def spoil(stage: LocalStack) -> None:
        stage.more |= more

    spoil.__name__ = f"settings {name}"
    return spoil


def _file(name: str, content: bytes | None) -> State:
    def spoil(stage: LocalStack) -> None:
        path = stage.folder / "settings.toml"
        if content is None:
            path.mkdir()
        else:
            path.write_bytes(content)

    spoil.__name__ = f"file {name}"
    return spoil


def _telegram(name: str, effect: Effect, **args: str | int | float) -> State:
    def spoil(stage: LocalStack) -> None:
        stage.telegram.faults.add(Fault("*", effect, times=0, args=args))

    spoil.__name__ = f"telegram {name}"
    return spoil


def _oss(name: str, effect: Effect, **args: str | int | float) -> State:
    def spoil(stage: LocalStack) -> None:
        stage.oss.faults.add(Fault("*", effect, times=0, args=args))

    spoil.__name__ = f"oss {name}"
    return spoil


def full(stage: LocalStack) -> None:
    """A disk without room for anything."""
    stage.more["RELAY_SPOOL__KEEP_FREE"] = "1000TiB"


def spool_is_a_file(stage: LocalStack) -> None:
    """A spool that cannot be a folder."""
    (stage.folder / "spool").write_bytes(b"")


def no_bucket(stage: LocalStack) -> None:
    """A bucket that is not there."""
    del stage.oss.buckets[BUCKET]


STATES: tuple[State, ...] = (
    *(
        _ledger(make)
        for make in (
            ledgers.folder,
            ledgers.garbage,
            ledgers.read_only,
            ledgers.below_a_file,
            ledgers.damaged,
            ledgers.damaged_tables,
            ledgers.newer,
        )
    ),
    _sql("table missing", "DROP TABLE outbox"),
    _sql("foreign", "DROP TABLE alembic_version"),
    _sql("two versions", "INSERT INTO alembic_version VALUES ('0001')"),
    _sql("odd version", "UPDATE alembic_version SET version_num = 'abcdef'"),
    _sql("odd table", "DROP TABLE alembic_version", "CREATE TABLE alembic_version (a)"),
    full,
    spool_is_a_file,
    no_bucket,
    _telegram("reset", Effect.RESET),
    _telegram("html", Effect.HTML),
    _telegram("401", Effect.ERROR, status=401, description="Unauthorized"),
    _oss("reset", Effect.RESET),
    _oss("403", Effect.ERROR, status=403, code="UserDisable"),
    _oss("500", Effect.ERROR, status=500, code="InternalError"),
    _settings("domain", RELAY_LINK__DOMAIN="http://127.0.0.1:9"),
    _settings("endpoint", RELAY_OSS__ENDPOINT="http://127.0.0.1:9"),
    _settings("proxy", RELAY_OSS__PROXY="http://name:pass-word@127.0.0.1:9"),
    _settings("telegram proxy", RELAY_TELEGRAM__PROXY="http://name:pass-word@127.0.0.1:9"),
    _settings("socks", RELAY_OSS__PROXY="socks5h://name:pass-word@127.0.0.1:9"),
    _settings("telegram socks", RELAY_TELEGRAM__PROXY="socks5://name:pass-word@127.0.0.1:9"),
    *(
        _settings(f"credentials {kind}", **NO_KEY, RELAY_OSS__CREDENTIALS=kind, **more)
        for kind, more in CREDENTIALS.items()
    ),
    _settings("ended token", **TEMPORARY, RELAY_OSS__TOKEN_EXPIRES_AT="2020-01-31T18:00:00Z"),
    _settings("token in public mode", **TEMPORARY, RELAY_LINK__MODE="public"),
    _settings("local mode without its root", RELAY_TELEGRAM__MODE="local"),
    _settings(
        "local mode with a wrong root",
        RELAY_TELEGRAM__MODE="local",
        RELAY_TELEGRAM__FILE_ROOT="/no/such/folder",
    ),
    _settings("telegram", RELAY_TELEGRAM__BASE_URL="http://127.0.0.1:9"),
    _settings("region", RELAY_OSS__REGION="cn-nowhere"),
    _settings("key", RELAY_OSS__ACCESS_KEY_SECRET="other-secret"),
    _settings("no bucket name", RELAY_OSS__BUCKET=""),
    _settings("nonsense", RELAY_TRANSFER__CONNECTIONS="many", RELAY_NO_SUCH__SETTING="1"),
    _file("is a folder", None),
    _file("is not text", b"\xff\xfe\x00"),
    _file("is no TOML", b"[telegram\n"),
)
SECRETS = ("pass-word", "other-secret")
STRIDE = 4
"""Of so many commands one is tried in a state where not all are; which, differs by state."""
SOME = [pytest.param(COMMANDS[n % STRIDE :: STRIDE], state) for n, state in enumerate(STATES)]
EVERY = [pytest.param(COMMANDS, state, marks=pytest.mark.long) for state in STATES]


@pytest.mark.parametrize(
    ("commands", "spoil"),
    [*SOME, *EVERY],
    ids=lambda value: "every" if value is COMMANDS else getattr(value, "__name__", "some"),
)
async def test_every_command(
    stage: LocalStack, commands: tuple[tuple[str, ...], ...], spoil: State
) -> None:
    """No traceback, no secret, no name of a file; a failure is told in words."""
    (stage.folder / NAME).write_bytes(b"aaa")
    spoil(stage)
    for words in commands:
        done = await type_in(stage, *words)
        told = done.out + done.err
        shown = words[0] == "send"

        assert done.code in {0, 1, 2, 3}, words
        assert done.code == 0 or told.strip(), words
        for text in ("Traceback", "unexpected error", "sqlalche", *SECRETS):
            assert text not in told, (words, text)
        for secret in (stage.telegram.token, stage.oss.access_key_secret):
            assert secret not in told, words
        # Its own argument may be told to the one who typed it.
        assert shown or NAME not in told, words


@pytest.mark.parametrize("level", ["info", "debug"])
async def test_unexpected_error(
    stage: LocalStack, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect is one line without its text; with log.level = "debug" the log has the traceback,
    redacted.
    """

    async def fail(_: object) -> None:
        raise KeyError(f"{NAME} {stage.telegram.token}")

    monkeypatch.setattr("bot.cli.status.look_at_status", fail)
    stage.more["RELAY_LOG__LEVEL"] = level
    done = await type_in(stage, "status")
    lines = [line for line in done.err.splitlines() if line.startswith("relay-bot: ")]

    assert (done.code, len(lines)) == (1, 1)
    assert "KeyError" in lines[0]
    assert NAME not in lines[0]
    assert ("Traceback" in done.err) == (level == "debug")
    assert stage.telegram.token not in done.err


@pytest.mark.parametrize("error", [KeyboardInterrupt, typer.Abort])
@pytest.mark.parametrize(
    ("lang", "expected"), [("en", "stopped before the end"), ("zh", "已中途停止")]
)
async def test_stopped(
    stage: LocalStack,
    error: type[BaseException],
    lang: str,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ctrl-C at any moment, and the end of the input at a question, end in one line."""

    async def stop(*_: object) -> None:
        raise error

    monkeypatch.setattr("bot.cli.doctor.examine", stop)
    done = await type_in(stage, "doctor", "--lang", lang)

    assert (done.code, done.err) == (1, f"\nrelay-bot: {expected}\n")


@pytest.mark.parametrize(
    "spoil",
    [
        state
        for state in STATES
        if state.__name__.startswith(("ledger", "settings no", "file is no"))
    ],
    ids=lambda state: state.__name__,
)
async def test_run(stage: LocalStack, spoil: State) -> None:
    """The bot itself ends in one line for each mistake, with exit code 1 or 2."""
    spoil(stage)
    done = await run(stage, "run")
    told = done.out + done.err

    assert done.code in {1, 2}
    assert "Traceback" not in told
    assert [
        line for line in done.err.splitlines() if line.startswith(("relay-bot: ", "settings: "))
    ]


async def test_ledger_of_links(stage: LocalStack) -> None:
    """A statement that fails on rows with links tells neither a link nor the name of a file."""
    alice = Person(stage)
    await stage.start_bot(alice.id)
    await alice.answered(await alice.send(b"z" * 3000, NAME))
    await stage.stop_bot()
    with sqlite3.connect(stage.folder / "relay.sqlite3") as connection:
        connection.execute("UPDATE objects SET state = 'odd'")
        connection.execute("UPDATE jobs SET kind = 'odd', state = 'running'")
        (key,) = connection.execute("SELECT key FROM objects").fetchone()
    connection.close()
    for words in (("status",), ("audit",), ("doctor",)):
        done = await type_in(stage, *words)

        assert "Traceback" not in done.err
        assert NAME not in done.err
        assert key not in done.err
