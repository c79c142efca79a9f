"""The wheel, installed as the README says, outside of the checkout."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.tools.constraints import constraints

ROOT = Path(__file__).parents[2]
KEPT = (
    "bot/py.typed",
    "bot/settings/example.toml",
    "bot/settings/example.zh-Hans.toml",
    "bot/cli/locales/zh-Hans.ftl",
    "bot/adapters/telegram/locales/en.ftl",
    "bot/sandbox/telegram/page/static/chat.mjs",
)
pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]


def run(*command: str | Path, folder: Path, code: int = 0) -> str:
    """Run a command in a folder, without the variables of the checkout; return what it printed."""
    variables = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "RELAY_", "VIRTUAL_ENV"))
    }
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=variables | {"LC_ALL": "C.UTF-8", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel and its constraints, as `make wheel` makes them."""
    folder = tmp_path_factory.mktemp("dist")
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check")
    run(*pip, "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT, folder=folder)
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    (folder / "constraints.txt").write_text(constraints(lock), encoding="utf-8")
    return folder


def test_what_is_in_it(dist: Path) -> None:
    """It is pure, has all data files and every migration, and nothing of the tests."""
    (wheel,) = dist.glob("*-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    sources = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "bot").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    assert sources | set(KEPT) <= names
    assert not [name for name in names if name.startswith("tests")]


def test_constraints_are_the_lock() -> None:
    """Every package of the lock is pinned, with its marker and without its hashes."""
    lines = ("a==1.0 \\", "    --hash=x", "    # via b", "b-c==2 ; python_version < '3.12' \\")
    text = "\n".join(lines) + "\n"

    assert constraints(text) == "a==1.0\nb-c==2 ; python_version < '3.12'\n"


@pytest.mark.parametrize("installer", ["pip", "pipx"])
def test_installed(dist: Path, tmp_path: Path, installer: str) -> None:
    """Demo, both languages, settings and migrations work where only the wheel is; the versions are
    those of the lock. The walk (`test_walk.py`) installs by uv.
    """
    relay_bot = install(installer, dist, tmp_path)
    version = run(relay_bot, "--version", folder=tmp_path)
    small = tmp_path / "small file.bin"
    small.write_bytes(os.urandom(100_000))

    assert version.startswith("relay-bot ")
    assert "checks" in run(relay_bot, "demo", "--file", small, folder=tmp_path)
    assert "no file" in run(relay_bot, "run", folder=tmp_path, code=2)
    words = ("init", "--lang", "zh-Hans")
    assert "没有可以提问的终端" in run(relay_bot, *words, folder=tmp_path, code=2)
    assert "参考手册" in run(*python(relay_bot, MANUAL), folder=tmp_path)
    check_versions(relay_bot, dist / "constraints.txt")


def check_versions(relay_bot: Path, pins: Path) -> None:
    """The packages beside the program have the versions of the constraints."""
    lines = run(*python(relay_bot, LISTING), folder=pins.parent).split()
    installed = dict(line.split("==") for line in lines)
    locked = dict(
        line.partition(" ")[0].split("==") for line in pins.read_text("utf-8").splitlines()
    )
    shared = installed.keys() & locked.keys()

    assert {name: installed[name] for name in shared} == {name: locked[name] for name in shared}
    assert {"python-telegram-bot", "aiohttp-socks"} <= shared


LISTING = """
from importlib.metadata import distributions
for found in distributions():
    print(found.name.lower().replace("_", "-") + "==" + found.version)
"""
MANUAL = """
from bot.cli.common import speak
from bot.cli.init.dialogue import example
speak("zh")
print(example())
"""


def python(relay_bot: Path, code: str) -> tuple[str, ...]:
    """Return a command that runs code beside an installed program."""
    return (str(relay_bot.resolve().with_name("python")), "-c", code)


def install(installer: str, dist: Path, folder: Path) -> Path:
    """Install the wheel with its constraints as the README says; return the program."""
    (wheel,) = dist.glob("*.whl")
    pins = dist / "constraints.txt"
    venv = folder / "venv"
    run(sys.executable, "-m", "venv", venv, folder=folder)
    pip = (venv / "bin" / "python", "-m", "pip", "install", "--quiet")
    if installer == "pip":
        run(*pip, "--constraint", pins, f"{wheel}[socks]", folder=folder)
        return venv / "bin" / "relay-bot"
    run(*pip, installer, folder=folder)
    words: tuple[str | Path, ...] = (
        ("uv", "tool", "install", "--constraints", pins, f"{wheel}[socks]")
        if installer == "uv"
        else ("pipx", "install", f"--pip-args=--constraint={pins}", f"{wheel}[socks]")
    )
    program = venv / "bin" / str(words[0])
    env = shutil.which("env") or "env"
    given = [f"HOME={folder}", f"UV_PYTHON={sys.executable}"]
    run(
        env,
        "-u",
        "XDG_DATA_HOME",
        "-u",
        "XDG_BIN_HOME",
        *given,
        program,
        *words[1:],
        folder=folder,
    )
    return folder / ".local" / "bin" / "relay-bot"
