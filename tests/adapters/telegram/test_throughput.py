"""The throughput below which a live connection counts as broken."""

from datetime import timedelta

import pytest

from bot.adapters.telegram.download import MinimumThroughput, ThroughputCheck
from bot.core.errors import SourceUnavailable

PACE = MinimumThroughput(minimum_rate=100, patience=timedelta(seconds=10))


def test_trickle() -> None:
    """Too few bytes over the whole span end it, however regularly they come."""
    keeper = ThroughputCheck(PACE)
    for _ in range(9):
        keeper.add(99, 1.0)
    with pytest.raises(SourceUnavailable, match="99 bytes/s"):
        keeper.add(99, 1.0)


def test_just_enough() -> None:
    """The minimum itself is enough, span after span."""
    keeper = ThroughputCheck(PACE)
    for _ in range(50):
        keeper.add(100, 1.0)
    with pytest.raises(SourceUnavailable):
        keeper.add(999, 10.0)


def test_patience() -> None:
    """A slow beginning is forgiven when enough comes within the span."""
    keeper = ThroughputCheck(PACE)
    keeper.add(1, 9.0)
    keeper.add(999, 1.0)
    with pytest.raises(SourceUnavailable):
        keeper.add(1, 10.0)


def test_fast_is_never_slow() -> None:
    """Bytes that come at once need no span at all, and count for the one in which they come."""
    keeper = ThroughputCheck(PACE)
    for _ in range(1000):
        keeper.add(1, 0.0)
    keeper.add(0, 10.0)
    with pytest.raises(SourceUnavailable):
        keeper.add(0, 10.0)
