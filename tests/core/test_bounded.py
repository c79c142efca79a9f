"""A map that forgets."""

from bot.core.limits import BoundedMap


def test_longest_unset_is_forgotten() -> None:
    """Setting an entry again makes it the youngest; reading does not."""
    entries: BoundedMap[str, int] = BoundedMap(2)
    entries.set("a", 1)
    entries.set("b", 2)
    entries.set("a", 3)
    found = entries.get("b")
    entries.set("c", 4)

    assert (found, entries.get("a"), entries.get("b"), entries.get("c")) == (2, 3, None, 4)
    assert len(entries) == 2
