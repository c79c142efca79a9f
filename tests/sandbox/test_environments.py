"""How the environments of other clients are made, and what happens where they cannot be."""

import subprocess
from pathlib import Path

import pytest

from tests.sandbox import environments


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep environments below a folder of this test."""
    monkeypatch.setattr(environments, "CACHE", tmp_path / "cache")
    return tmp_path / "cache"


def test_made_once(cache: Path) -> None:
    """The same list of packages makes one environment, another list another one."""
    made: list[Path] = []
    folders = {environments._made("x", content, made.append) for content in (b"1", b"1", b"2")}

    assert set(made) == folders
    assert len(made) == len([path for path in cache.iterdir() if path.is_dir()]) == 2


def test_failure_leaves_nothing(cache: Path) -> None:
    """An installation that fails says why, leaves no half of it, and may be tried again."""

    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise subprocess.CalledProcessError(1, ["pip"], "out", "no index\nat all\n")

    with pytest.raises(environments.Unavailable, match=r"pip failed: at all"):
        environments._made("x", b"1", fail)

    assert [path.name for path in cache.iterdir()] == ["lock"]
    assert environments._made("x", b"1", lambda _: None).is_dir()


def test_missing_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Node the reason is told."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(environments.Unavailable, match="node is not installed"):
        environments.node_modules(tmp_path)
