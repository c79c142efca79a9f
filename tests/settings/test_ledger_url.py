"""Where the ledger is: a file, or a database on a server."""

import sys
from pathlib import Path

import pytest

from bot.cli.common import secrets_of
from bot.core.ports.ledger import LedgerServer
from bot.settings import SettingsError, load
from tests.test_settings import MINIMAL

URL = "postgresql://relay:hunter2%21@db.example:5433,db2.example/links?sslmode=verify-full"


def test_file_unless_there_is_a_url(tmp_path: Path) -> None:
    """The file is the default; the URL wins, also one from the file of a secret."""
    secret = tmp_path / "url"
    secret.write_text(f"{URL}\n", encoding="utf-8")
    alone = load(None, MINIMAL)
    given = load(None, MINIMAL | {"RELAY_LEDGER__URL_FILE": str(secret)})

    assert alone.ledger.place == alone.ledger.path
    assert given.ledger.place == LedgerServer(URL)
    assert str(given.ledger.place) == "links at db.example:5433,db2.example"


def test_url_stays_hidden() -> None:
    """Neither settings nor place show it, and a log shows neither the URL nor its password."""
    settings = load(None, MINIMAL | {"RELAY_LEDGER__URL": URL})
    shown = repr(settings) + str(settings.ledger) + repr(settings.ledger.place)

    assert "hunter2" not in shown
    assert {URL, "hunter2!"} <= set(secrets_of(settings))


@pytest.mark.parametrize(
    "url",
    [
        "mysql://relay:hunter2@db.example/links",
        "postgresql://relay:hunter2@db.example",
        "postgresql://relay:hunter2@db.example:70000/links",
        "host=db.example password=hunter2",
    ],
)
def test_no_url(url: str) -> None:
    """What is no URL of a database is refused without being shown."""
    with pytest.raises(SettingsError) as caught:
        load(None, MINIMAL | {"RELAY_LEDGER__URL": url})

    [problem] = caught.value.problems
    assert problem.startswith("ledger.url: ")
    assert "hunter2" not in problem


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line says how to install it."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(SettingsError) as caught:
        load(None, MINIMAL | {"RELAY_LEDGER__URL": URL})

    [problem] = caught.value.problems
    assert problem == (
        "ledger.url: needs the extra \"cluster\": pip install 'file-relay-bot[cluster]'"
    )
