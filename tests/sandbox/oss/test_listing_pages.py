"""Pages of sorted keys, as properties."""

from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.oss.listing import fill_page

KEYS = st.lists(st.text(alphabet="ab/", min_size=1, max_size=6), unique=True, max_size=12)


def walk(keys: list[str], prefix: str, delimiter: str, limit: int) -> list[list[str]]:
    """Return what each page shows, in order, following the marks of truncation."""
    after, shown = "", []
    while True:
        entries = [(key, key) for key in sorted(keys) if key.startswith(prefix) and key > after]
        page = fill_page(entries, prefix, delimiter, after, limit)
        shown.append(sorted(page.entries + page.prefixes))
        if not page.is_truncated:
            return shown
        after = page.last


@given(
    keys=KEYS,
    prefix=st.sampled_from(["", "a", "a/"]),
    delimiter=st.sampled_from(["", "/", "b"]),
    limit=st.integers(1, 5),
)
def test_pages(keys: list[str], prefix: str, delimiter: str, limit: int) -> None:
    """Together the pages show every key or its group once; only the last may be shorter."""
    pages = walk(keys, prefix, delimiter, limit)
    expected = set()
    for key in keys:
        if key.startswith(prefix):
            end = key.find(delimiter, len(prefix)) if delimiter else -1
            expected.add(key[: end + 1] if end >= 0 else key)

    assert sorted(expected) == [name for page in pages for name in page]
    assert all(len(page) == limit for page in pages[:-1])
