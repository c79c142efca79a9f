"""The lock files: what ships is what was tested."""

import re

from tests.deploy.files import ROOT


def _locked(name: str) -> dict[str, str]:
    """Return the version of each package in a lock file."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", text, re.MULTILINE))


def test_shipped_versions_are_tested() -> None:
    """Every package that ships has the version that all tests use."""
    shipped, tested = _locked("requirements.lock"), _locked("requirements-dev.lock")

    assert len(shipped) > 20
    assert {name: tested.get(name) for name in shipped} == shipped


def test_lock_target_constrains_what_ships() -> None:
    """`make lock` compiles the lock of the tests first, and constrains the other one by it."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    rules = [line for line in makefile.splitlines() if "/pip-compile " in line]

    assert ["requirements-dev.lock pyproject" in rule for rule in rules] == [True, False]
    assert "--constraint requirements-dev.lock" in rules[1]
