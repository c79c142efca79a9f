"""Environments of their own for clients whose packages collide with the project's.

They are made once, below `.venv/oracles/`, and named after what they hold, so that a changed list
of packages makes a new one.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
CACHE = HERE.parents[3] / ".venv" / "oracles"
_PATIENCE = 240
"""Seconds that one installation may take."""


class Unavailable(Exception):
    """An environment cannot be made on this machine; the text says why."""


def python() -> Path:
    """Return the interpreter that has oss2, opendal and aliyun-oss-x. Blocks, long the first time.

    Raises:
        Unavailable: it could not be made.
    """
    text = (HERE / "requirements.txt").read_bytes() + sys.version.encode()
    return _made("python", text, _make_python) / "bin" / "python"


def node_modules() -> Path:
    """Return the folder whose `node_modules` has ali-oss and oss-client. Blocks, long the first
    time.

    Raises:
        Unavailable: Node or its package manager is missing, or the installation failed.
    """
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise Unavailable(f"{program} is not installed")
    return _made("node", (HERE / "package-lock.json").read_bytes(), _make_node)


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


def _make_python(folder: Path) -> None:
    _run([sys.executable, "-m", "venv", str(folder)])
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    install = ["install", "--quiet", "--retries", "1", "--timeout", "30", "-r"]
    _run([*pip, *install, str(HERE / "requirements.txt")])


def _make_node(folder: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder / name)
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--silent", "--fetch-retries=1"]
    _run(["npm", "ci", "--prefix", str(folder), *options])


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, timeout=_PATIENCE, capture_output=True, text=True)


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        lines = f"{error.stdout}\n{error.stderr}".strip().splitlines()
        return f"{error.cmd[0]} failed: {lines[-1] if lines else error.returncode}"
    return f"{type(error).__name__}: {error}"
