"""The way of a newcomer through the commands, in a terminal, against the sandbox."""

import json
import re
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pexpect
import pytest

from bot.settings import load

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]
BUCKET = "relay-sandbox"
ALICE = 1001
KEY: Final = {"key_id": "LTAI-new", "secret": "new-secret"}


class Terminal:
    """Starts commands of the bot in terminals of 100 columns, in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[Any] = []

    def start(self, *words: str) -> Any:
        """Start a command."""
        child = pexpect.spawn(
            sys.executable,
            ["-m", "bot", *words],
            cwd=str(self._folder),
            encoding="utf-8",
            timeout=40,
            dimensions=(40, 100),
        )
        self._started.append(child)
        return child

    def run(self, *words: str, codes: tuple[int, ...] = (0,)) -> str:
        """Run a command to its end, and return what it showed."""
        child = self.start(*words)
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus in codes, child.before
        assert "Traceback" not in child.before
        return str(child.before)

    def close(self) -> None:
        """End what still runs."""
        for child in reversed(self._started):
            child.close(force=True)


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """Terminals in an empty folder."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    opened = Terminal(tmp_path)
    yield opened
    opened.close()


def ask(address: str, body: Mapping[str, object]) -> Any:
    """Ask a control verb of the sandbox."""
    with urllib.request.urlopen(address, json.dumps(body).encode(), timeout=30) as answer:  # noqa: S310 -- loopback only.
        return json.load(answer)


def test_the_walk(terminal: Terminal, tmp_path: Path) -> None:
    """From an empty folder to a link: init with wrong answers, a key without rights and a stop
    halfway, then setup, doctor, run, send, status, audit, backup, stop.
    """
    sandbox = terminal.start("sandbox")
    sandbox.expect("Ctrl-C ends both stand-ins")
    given = load(tmp_path / "sandbox" / "settings.toml", {})
    telegram, oss = given.telegram.base_url, given.oss.endpoint
    ask(f"{oss}/__control/add_key", KEY | {"allow": []})
    words = ("init", "--base-url", telegram, "--endpoint", oss)
    stop_halfway(terminal.start(*words), given.telegram.token.get_secret_value())
    assert "nonsense" not in (tmp_path / "settings.toml.part").read_text(encoding="utf-8")
    go_on(terminal.start(*words), oss)

    terminal.run("setup", "--yes")
    assert "nothing to change" in terminal.run("setup", "--yes")
    assert "doctor: ok" in terminal.run("doctor")
    bot = terminal.start("run")
    bot.expect("ready")
    relay(terminal, tmp_path)
    bot.sendintr()
    bot.expect("stopping")
    bot.expect(pexpect.EOF)
    bot.close()

    assert bot.exitstatus == 0


def stop_halfway(init: Any, token: str) -> None:
    """Give two wrong answers, and press Ctrl-C at the secret."""
    answer(init, "Token of the bot", "nonsense")
    answer(init, "Token of the bot", token)
    answer(init, "Region of the bucket", "Hong Kong!")
    answer(init, "Region of the bucket", "oss-cn-hongkong")
    answer(init, "AccessKey id", KEY["key_id"])
    init.expect("AccessKey secret")
    init.sendintr()
    init.expect("relay-bot init goes on there")
    init.expect(pexpect.EOF)


def go_on(init: Any, oss: str) -> None:
    """Answer the rest: a wrong secret, then a key to which the policy is attached when shown."""
    answer(init, "AccessKey secret", "wrong")
    init.expect("SignatureDoesNotMatch")
    answer(init, "AccessKey id", "")
    answer(init, "AccessKey secret", KEY["secret"])
    answer(init, r"\r\nBucket", BUCKET)
    init.expect("ram.console.aliyun.com/policies")
    init.expect("oss:PutObject")
    ask(f"{oss}/__control/add_key", dict(KEY))
    answer(init, "try again", "")
    answer(init, "Links: signed", "")
    answer(init, "Who looks after the bot", str(ALICE))
    init.expect("settings.toml is written")
    init.expect(pexpect.EOF)


def relay(terminal: Terminal, folder: Path) -> None:
    """Send a file, open its link, and look at what the bot has of it."""
    (folder / "a b.txt").write_bytes(b"hello")
    shown = terminal.run("send", "--json", "a b.txt")
    (link,) = re.findall(r'"link": "([^"]+)"', re.sub(r"\s", " ", shown))
    with urllib.request.urlopen(link, timeout=30) as opened:  # noqa: S310 -- loopback only.
        assert opened.read() == b"hello"
    assert "a b.txt" in terminal.run("status")
    assert "nothing found" in terminal.run("audit")
    terminal.run("backup", "copy.sqlite3")
    terminal.run("restore", "--check", "copy.sqlite3")


def answer(child: Any, question: str, text: str) -> None:
    """Wait for a question, and type an answer."""
    child.expect(question)
    child.expect(": ")
    child.sendline(text)
