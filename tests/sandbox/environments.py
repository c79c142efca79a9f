"""Environments of their own for clients that the project does not depend on, or whose packages
collide with the project's.

A folder names them: `requirements.txt` for Python, `package.json` and `package-lock.json` for
Node. They are made once, below `.venv/oracles/`, and named after what they hold, so that a changed
list of packages makes a new one.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

HERE = Path(__file__).parent
FOLDERS = (
    HERE / "oss" / "oracles",
    HERE / "telegram" / "clients",
    HERE.parent / "adapters" / "pages" / "checker",
)
"""Clients of each stand-in, and what checks the pages behind links."""
CACHE = HERE.parents[1] / ".venv" / "oracles"
_PATIENCE = 480
"""Seconds that one installation may take."""


class Unavailable(Exception):
    """An environment cannot be made on this machine; the text says why."""


def install_all() -> list[Path]:
    """Make every environment that a test wants; return where they are. Blocks.

    Raises:
        Unavailable: one could not be made.
    """
    pythons = [python(folder) for folder in FOLDERS if (folder / "requirements.txt").exists()]
    return pythons + [node_modules(folder) for folder in FOLDERS]


def python(folder: Path) -> Path:
    """Return the interpreter that has the packages which `folder` names. Blocks, long the first
    time.

    Raises:
        Unavailable: it could not be made.
    """
    text = (folder / "requirements.txt").read_bytes() + sys.version.encode()
    return _made("python", text, partial(_make_python, folder)) / "bin" / "python"


def node_modules(folder: Path) -> Path:
    """Return the folder whose `node_modules` has the packages which `folder` names. Blocks, long
    the first time.

    Raises:
        Unavailable: Node or its package manager is missing, or the installation failed.
    """
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise Unavailable(f"{program} is not installed")
    text = (folder / "package-lock.json").read_bytes()
    return _made("node", text, partial(_make_node, folder))


def _made(kind: str, content: bytes, make: Callable[[Path], None]) -> Path:
    folder = CACHE / f"{kind}-{hashlib.sha256(content).hexdigest()[:16]}"
    done = folder / "complete"
    with _alone():
        if done.exists():
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            make(folder)
        except (OSError, subprocess.SubprocessError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise Unavailable(_reason(error)) from error
        done.touch()
    return folder


@contextmanager
def _alone() -> Iterator[None]:
    """Keep other test runs out while an environment is made."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make_python(source: Path, folder: Path) -> None:
    _run([sys.executable, "-m", "venv", str(folder)])
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    install = ["install", "--quiet", "--retries", "1", "--timeout", "30", "-r"]
    _run([*pip, *install, str(source / "requirements.txt")])


def _make_node(source: Path, folder: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(source / name, folder / name)
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--silent", "--fetch-retries=1"]
    _run(["npm", "ci", "--prefix", str(folder), *options])


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, timeout=_PATIENCE, capture_output=True, text=True)


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        lines = f"{error.stdout}\n{error.stderr}".strip().splitlines()
        return f"{error.cmd[0]} failed: {lines[-1] if lines else error.returncode}"
    return f"{type(error).__name__}: {error}"
