"""The way of a newcomer on a clean clone, in a terminal and a browser: demo, chat page, wheel,
init with wrong answers, setup, doctor, run, a file from the page, send, status, audit, backup and
stop.

`WALK_FOLDER=DIR` keeps what the terminal showed (`walk.log`) and the screenshots there.
"""

import json
import os
import re
import shutil
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pexpect
import pytest
from playwright.sync_api import Page, sync_playwright

from bot.settings import load
from tests.cli.test_wheel import check_versions, install
from tests.tools.pictures import ARGUMENTS, CHROMIUM

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[2]
BUCKET = "relay-sandbox"
ALICE = 1001
KEY: Final = {"key_id": "LTAI-new", "secret": "new-secret"}
UNKNOWN_TO_A_NEWCOMER = re.compile(r"PYTHON|RELAY_|VIRTUAL_ENV|MAKE|MFLAGS|ARGS$|FILE$|VENV$")
"""Variables of a run of the tests that a newcomer does not have."""
PATIENCE = 60
"""Seconds until a test says that something did not happen."""


class Terminal:
    """Starts programs in terminals of 100 columns, in one folder; `log` gets what they show."""

    def __init__(self, folder: Path, log: Path) -> None:
        self.folder = folder
        self.program = Path(sys.executable).with_name("relay-bot")
        self._log = log.open("a", encoding="utf-8")
        self._started: list[Any] = []
        kept = {k: v for k, v in os.environ.items() if not UNKNOWN_TO_A_NEWCOMER.match(k)}
        self._variables = kept | {"LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}

    def start(self, *words: str | Path, folder: Path | None = None) -> Any:
        """Start a program."""
        program, *rest = map(str, words)
        self._log.write(f"\n$ {Path(program).name} {' '.join(rest)}\n")
        child = pexpect.spawn(
            program,
            rest,
            cwd=str(folder or self.folder),
            env=self._variables,
            encoding="utf-8",
            timeout=PATIENCE,
            dimensions=(40, 100),
        )
        child.logfile_read = self._log
        self._started.append(child)
        return child

    def run(self, *words: str | Path, folder: Path | None = None, timeout: int = PATIENCE) -> str:
        """Run a program to its end, and return what it showed."""
        return end(self.start(*words, folder=folder), timeout)

    def bot(self, *words: str) -> str:
        """Run a command of the bot to its end, and return what it showed."""
        return self.run(self.program, *words)

    def close(self) -> None:
        """End what still runs."""
        for child in reversed(self._started):
            child.close(force=True)
        self._log.close()


def end(child: Any, timeout: int = PATIENCE, code: int = 0) -> str:
    """Wait for the end of a program, and return what it showed since the last question."""
    child.expect(pexpect.EOF, timeout=timeout)
    child.close()
    shown = str(child.before)
    assert (child.exitstatus, "Traceback" in shown) == (code, False), shown
    return shown


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """The folder for screenshots and the log of the terminal."""
    folder = Path(os.environ.get("WALK_FOLDER") or tmp_path / "walk").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def terminal(tmp_path: Path, pictures: Path) -> Iterator[Terminal]:
    """Terminals in an empty folder."""
    home = tmp_path / "relay"
    home.mkdir()
    opened = Terminal(home, pictures / "walk.log")
    yield opened
    opened.close()


def ask(address: str, body: Mapping[str, object]) -> Any:
    """Ask a control verb of the sandbox."""
    with urllib.request.urlopen(address, json.dumps(body).encode(), timeout=30) as answer:  # noqa: S310 -- loopback only.
        return json.load(answer)


@contextmanager
def opened(address: str) -> Iterator[Page]:
    """Open a page in Debian's Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS])
        page = browser.new_page(viewport={"width": 1000, "height": 700}, locale="en-GB")
        page.set_default_timeout(PATIENCE * 1000)
        page.goto(address)
        yield page
        browser.close()


def relay_by_page(address: str, file: Path, picture: Path) -> None:
    """Send a file from the page; its link downloads the same bytes."""
    with opened(address) as page:
        page.locator("#files").set_input_files(file)
        page.locator("#text").press("Enter")
        link = page.locator(".message:not(.own) .keyboard a").last
        link.wait_for()
        page.screenshot(path=picture)
        with page.expect_download() as downloading:
            link.click()
        download = downloading.value

        assert Path(download.path()).read_bytes() == file.read_bytes()
        assert download.suggested_filename == file.name
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_the_walk(terminal: Terminal, tmp_path: Path, pictures: Path) -> None:
    """From a clone to a link, as the README says it, and to a stop."""
    file = tmp_path / "it's 5 $ & 假期.txt"
    file.write_bytes(os.urandom(300_000))
    clone = tmp_path / "clone"
    terminal.run("git", "clone", "--quiet", ROOT, clone)

    demo = terminal.run("make", "demo", f"FILE={file}", folder=clone, timeout=400)
    terminal.run("make", "wheel", folder=clone)
    terminal.program = install("uv", clone / "dist", tmp_path)
    chat = terminal.start(terminal.program, "demo", "--chat", "--no-browser")
    chat.expect(r"http://\S+/")
    relay_by_page(chat.after, file, pictures / "chat.png")
    chat.sendintr()

    assert "What was checked" in demo
    assert end(chat).strip().endswith("stopped")
    check_versions(terminal.program, clone / "dist" / "constraints.txt")
    run_for_real(terminal, lambda page: relay_by_page(page, file, pictures / "file.png"))


def run_for_real(terminal: Terminal, relay_file: Callable[[str], None]) -> None:
    """Set a bot up, run it, use it and stop it; the sandbox is in the place of both services."""
    sandbox = terminal.start(terminal.program, "sandbox")
    sandbox.expect("Ctrl-C ends both stand-ins")
    given = load(terminal.folder / "sandbox" / "settings.toml", {})
    telegram, oss = given.telegram.base_url, given.oss.endpoint
    ask(f"{oss}/__control/add_key", KEY | {"allow": []})
    words = (terminal.program, "init", "--base-url", telegram, "--endpoint", oss)
    stop_halfway(terminal.start(*words), given.telegram.token.get_secret_value())
    go_on(terminal.start(*words), oss)

    assert "lifecycle" in terminal.bot("setup", "--yes")
    assert "nothing to change" in terminal.bot("setup", "--yes")
    assert "doctor: ok" in terminal.bot("doctor")
    bot = terminal.start(terminal.program, "run")
    bot.expect("ready")
    relay_file(f"{telegram}/")
    use(terminal)
    bot.sendintr()
    bot.expect("stopping")
    end(bot)
    sandbox.sendintr()
    end(sandbox)


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
    end(init, code=1)


def go_on(init: Any, oss: str) -> None:
    """Answer the rest: a wrong secret, then a key to which the policy is attached when shown."""
    answer(init, "AccessKey secret", "wrong")
    init.expect("SignatureDoesNotMatch")
    answer(init, "AccessKey id", "")
    answer(init, "AccessKey secret", KEY["secret"])
    answer(init, r"Bucket \(", BUCKET)
    init.expect("ram.console.aliyun.com/policies")
    init.expect("oss:PutObject")
    ask(f"{oss}/__control/add_key", dict(KEY))
    answer(init, "try again", "")
    answer(init, "Links: signed", "")
    answer(init, "Who looks after the bot", str(ALICE))
    init.expect("settings.toml is written")
    end(init)


def use(terminal: Terminal) -> None:
    """Send a file from a shell, open its link, and look at what the bot has."""
    (terminal.folder / "a b.txt").write_bytes(b"hello")
    shown = terminal.bot("send", "--json", "a b.txt")
    (link,) = re.findall(r'"link": "([^"]+)"', re.sub(r"\s", " ", shown))
    with urllib.request.urlopen(link, timeout=30) as answered:  # noqa: S310 -- loopback only.
        assert answered.read() == b"hello"
    assert "a b.txt" in terminal.bot("status")
    assert "nothing found" in terminal.bot("audit")
    terminal.bot("backup", "copy.sqlite3")
    terminal.bot("restore", "--check", "copy.sqlite3")


def answer(child: Any, question: str, text: str) -> None:
    """Wait for a question, and type an answer."""
    child.expect(question)
    child.expect(": ")
    child.sendline(text)


def test_a_demo_is_stopped(terminal: Terminal) -> None:
    """Ctrl-C leaves one line, the cursor, and no frame that lacks its lower half."""
    demo = terminal.start(sys.executable, "-m", "bot", "demo", folder=ROOT)
    demo.expect(r"\d%")
    demo.sendintr()
    shown = demo.before + demo.after + end(demo, code=1)
    last = shown.rpartition("\x1b[2K")[2]

    assert "stopped; nothing is kept" in last
    assert shown.rpartition("\x1b[?25")[2].startswith("h")
    assert last.count("╭") == last.count("╰")


def test_a_question_of_setup_is_not_answered(terminal: Terminal) -> None:
    """Ctrl-C and the end of the input leave one line, in the language of the terminal."""
    settings = terminal.folder / "settings.toml"
    settings.write_text(
        '[telegram]\ntoken = "1:AAAAAAAAAAAAAAAAAAAA"\n[oss]\nbucket = "my-files"\n'
        'access_key_id = "LTAI-one-key"\naccess_key_secret = "secret-of-the-key"\n',
        encoding="utf-8",
    )
    command = (sys.executable, "-m", "bot", "setup", "--settings", settings)
    stopped = terminal.start(*command, folder=ROOT)
    stopped.expect("UID of a RAM user")
    stopped.sendintr()
    ended = terminal.start(*command, "--lang", "zh", folder=ROOT)
    ended.expect("UID")
    ended.sendeof()

    assert end(stopped, code=1).strip().endswith("relay-bot: stopped before the end")
    assert end(ended, code=1).strip().endswith("relay-bot: 已中途停止")
