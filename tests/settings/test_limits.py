"""The section `[limits]`."""

import pytest

from bot.core.limits import TransferLimits
from bot.settings import SettingsError, load
from tests.test_settings import MINIMAL


def test_defaults() -> None:
    """By default only the files of one user are bounded, far above what people send by hand."""
    limits = load(None, MINIMAL).limits

    assert TransferLimits(files=1000) == limits.owner
    assert TransferLimits() == limits.group


def test_each_limit_goes_where_it_belongs() -> None:
    """Six settings, two kinds of limits; 0 switches one off."""
    names = ("FILES", "BYTES", "LARGEST")
    given = {f"RELAY_LIMITS__OWNER_{name}": str(n) for n, name in enumerate(names)}
    given |= {f"RELAY_LIMITS__GROUP_{name}": str(n) for n, name in enumerate(names, 10)}
    limits = load(None, MINIMAL | given).limits

    assert TransferLimits(files=0, bytes=1, largest=2) == limits.owner
    assert TransferLimits(files=10, bytes=11, largest=12) == limits.group


@pytest.mark.parametrize("value", ["-1", "many", "1.5"])
def test_no_limit_is_negative(value: str) -> None:
    """A value that is no number of files is refused by name."""
    with pytest.raises(SettingsError, match=r"limits\.owner_files: .* is not allowed"):
        load(None, MINIMAL | {"RELAY_LIMITS__OWNER_FILES": value})
