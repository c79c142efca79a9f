"""The division of files into parts, by properties at every size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.jobs import (
    LARGEST_PREFERRED_PART,
    MIB,
    MOST_PARTS,
    SMALLEST_PART,
    choose_part_size,
    plan_parts,
)

LARGEST_FILE = 48 << 40
sizes = st.one_of(
    st.integers(min_value=1, max_value=LARGEST_FILE),
    # The neighbourhood of whole mebibytes and of the limit is where planners go wrong.
    st.builds(
        lambda parts, near: max(1, parts * MIB + near),
        st.integers(min_value=0, max_value=3 * MOST_PARTS),
        st.integers(min_value=-2, max_value=2),
    ),
)


@given(size=sizes, arrives=st.booleans())
def test_never_more_than_ten_thousand_parts(size: int, *, arrives: bool) -> None:
    """The chosen size is one that OSS accepts, for every file."""
    part_size = choose_part_size(size, arrives_while_uploading=arrives)

    assert -(-size // part_size) <= MOST_PARTS
    assert part_size >= SMALLEST_PART


@given(size=sizes, arrives=st.booleans())
def test_sizes_are_whole_mebibytes(size: int, *, arrives: bool) -> None:
    """Parts begin at whole mebibytes for every size of the file."""
    assert choose_part_size(size, arrives_while_uploading=arrives) % MIB == 0


@given(st.integers(min_value=1, max_value=200_000), st.integers(min_value=20, max_value=5000))
def test_parts_cover_the_file(size: int, part_size: int) -> None:
    """No gap, no overlap, numbers from 1, no empty part, only the last is shorter."""
    parts = list(plan_parts(size, part_size))

    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    assert [part.offset for part in parts] == [0, *(part.end for part in parts[:-1])]
    assert size == parts[-1].end
    assert all(part.size == part_size for part in parts[:-1])
    assert 1 <= parts[-1].size <= part_size


@pytest.mark.parametrize(
    ("size", "arrives", "expected"),
    [
        (1, True, MIB),
        (20 * MIB, True, MIB),
        (MOST_PARTS * MIB, True, MIB),
        (MOST_PARTS * MIB + 1, True, 2 * MIB),
        (1, False, 4 * MIB),
        (32 * MIB, False, 4 * MIB),
        (32 * MIB + 1, False, 4 * MIB),
        (64 * MIB + 1, False, 5 * MIB),
        (512 * MIB, False, LARGEST_PREFERRED_PART),
        (4 << 30, False, LARGEST_PREFERRED_PART),
        (MOST_PARTS * 32 * MIB + 1, False, 33 * MIB),
    ],
)
def test_chosen_size(size: int, *, arrives: bool, expected: int) -> None:
    """Small parts while a file arrives, larger ones from disk, larger yet where it must be."""
    assert expected == choose_part_size(size, arrives_while_uploading=arrives)


@pytest.mark.parametrize("size", [0, -1])
def test_nothing_has_no_parts(size: int) -> None:
    """An empty file cannot be planned: OSS cannot complete an upload without parts."""
    with pytest.raises(ValueError, match="no parts"):
        choose_part_size(size, arrives_while_uploading=True)
    with pytest.raises(ValueError, match="positive"):
        next(plan_parts(size, MIB))


def test_too_many_parts_are_refused() -> None:
    """A part size that would need part number 10,001 is refused before anything is sent."""
    with pytest.raises(ValueError, match="more than 10000 parts"):
        next(plan_parts(MOST_PARTS * MIB + 1, MIB))
