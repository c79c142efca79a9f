"""The order of jobs: fair between owners, in order within one."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bot.jobs.queue import MOST_REMEMBERED, FairQueue

OWNERS = st.lists(st.integers(1, 5), max_size=60)
"""The owners of jobs 0, 1, 2 … in the order of their arrival."""


def anyone(_owner_id: int) -> bool:
    """Let every owner pass."""
    return True


def fill(owners: list[int]) -> FairQueue:
    """Add one job for each entry."""
    turns = FairQueue()
    for job_id, owner_id in enumerate(owners):
        turns.add(owner_id, job_id)
    return turns


def drain(turns: FairQueue) -> list[tuple[int, int]]:
    """Take all jobs."""
    taken = []
    while (turn := turns.take(anyone)) is not None:
        taken.append(turn)
    return taken


@given(OWNERS)
def test_every_job_gets_one_turn(owners: list[int]) -> None:
    """Nothing is lost, nothing comes twice, and the jobs of one owner keep their order."""
    turns = fill(owners)
    assert len(turns) == len(owners)
    taken = drain(turns)

    assert sorted(job_id for _, job_id in taken) == list(range(len(owners)))
    for owner_id in set(owners):
        mine = [job_id for owner, job_id in taken if owner == owner_id]
        assert mine == sorted(mine)
    assert len(turns) == 0


@given(OWNERS)
def test_each_who_waits_has_one_turn_between_two_of_another(owners: list[int]) -> None:
    """No more and no less, however many jobs they have."""
    taken = [owner for owner, _ in drain(fill(owners))]
    for owner_id in set(owners):
        turns_of_one = [index for index, owner in enumerate(taken) if owner == owner_id]
        for first, second in pairwise(turns_of_one):
            waiting = set(taken[first + 1 :]) - {owner_id}

            assert sorted(taken[first + 1 : second]) == sorted(waiting)


@given(heavy=st.integers(1, 200), taken_before=st.integers(0, 200))
def test_newcomer_waits_for_one_job_of_a_heavy_owner(heavy: int, taken_before: int) -> None:
    """However many jobs one owner has, a newcomer is delayed by at most one of them."""
    turns = fill([1] * heavy)
    for _ in range(min(taken_before, heavy)):
        turns.take(anyone)
    turns.add(2, 999)
    order = drain(turns)

    assert [job_id for _, job_id in order].index(999) <= 1


@given(st.lists(st.integers(1, 5), min_size=1, max_size=60), st.integers(6, 12))
def test_newcomer_goes_before_all_who_had_a_turn(owners: list[int], newcomer: int) -> None:
    """With any number of busy owners, none has a second turn before a new owner's first."""
    turns = fill(owners * 2)
    for _ in set(owners):
        turns.take(anyone)
    turns.add(newcomer, 999)

    assert turns.take(anyone) == (newcomer, 999)


def test_last_turn_is_remembered_without_jobs() -> None:
    """An owner who sends one file after the other is no newcomer each time."""
    turns = fill([1, 1, 1, 2])
    assert [turns.take(anyone) for _ in range(2)] == [(1, 0), (2, 3)]
    turns.add(2, 9)

    assert turns.take(anyone) == (1, 1)
    assert turns.take(anyone) == (2, 9)


def test_memory_is_bounded() -> None:
    """Owners who were here once are forgotten, the longest ago first."""
    turns = FairQueue()
    for owner_id in range(MOST_REMEMBERED + 500):
        turns.add(owner_id, owner_id)
        turns.take(anyone)

    assert len(turns._turns) <= MOST_REMEMBERED + 1


@given(OWNERS, st.data())
def test_position_is_the_number_of_the_turn(owners: list[int], data: st.DataObject) -> None:
    """After any number of turns, the place in the queue tells when the job will be taken."""
    turns = fill(owners)
    for _ in range(data.draw(st.integers(0, len(owners)))):
        turns.take(anyone)
    positions = {
        job_id: turns.position(owner_id, job_id) for job_id, owner_id in enumerate(owners)
    }
    order = [job_id for _, job_id in drain(turns)]

    assert {job_id: n for n, job_id in enumerate(order, start=1)} == {
        job_id: position for job_id, position in positions.items() if position is not None
    }


@given(OWNERS, st.sets(st.integers(1, 5)))
def test_owners_who_may_not_start_are_passed_over(owners: list[int], held: set[int]) -> None:
    """They keep their place and their jobs; the others go on."""
    turns = fill(owners)
    taken = []
    while (turn := turns.take(lambda owner_id: owner_id not in held)) is not None:
        taken.append(turn)

    assert {owner for owner, _ in taken}.isdisjoint(held)
    assert len(turns) == sum(owner in held for owner in owners)
    assert sorted(taken + drain(turns), key=lambda turn: turn[1]) == [
        (owner_id, job_id) for job_id, owner_id in enumerate(owners)
    ]


@given(OWNERS, st.sets(st.integers(0, 59)))
def test_jobs_that_do_not_fit_are_passed_over(owners: list[int], held: set[int]) -> None:
    """They wait where they are, and hold up neither their owner's other jobs nor other owners."""
    turns = fill(owners)
    taken = []
    while (turn := turns.take(anyone, lambda job_id: job_id not in held)) is not None:
        taken.append(turn)

    assert sorted(set(range(len(owners))) - held) == sorted(job_id for _, job_id in taken)
    for owner_id in set(owners):
        mine = [job_id for owner, job_id in taken if owner == owner_id]
        assert mine == sorted(mine)
    waiting = [job_id for job_id in range(len(owners)) if job_id in held]
    assert waiting == sorted(job_id for _, job_id in drain(turns))


@given(OWNERS, st.data())
def test_removed_job_gets_no_turn(owners: list[int], data: st.DataObject) -> None:
    """The others keep their order."""
    turns = fill(owners)
    gone = data.draw(st.sets(st.integers(0, max(0, len(owners) - 1))))
    removed = {job_id for job_id in gone if job_id < len(owners)}
    for job_id in removed:
        assert turns.remove(owners[job_id], job_id)
    taken = [job_id for _, job_id in drain(turns)]

    assert sorted(taken) == [n for n in range(len(owners)) if n not in removed]


def test_what_does_not_wait_cannot_be_removed() -> None:
    """Neither a job that is unknown, nor one of another owner, nor one that was taken."""
    turns = fill([1, 1, 2])
    turns.take(anyone)

    assert not turns.remove(3, 0)
    assert not turns.remove(2, 1)
    assert not turns.remove(1, 0)
    assert turns.position(1, 0) is None
    assert turns.position(3, 0) is None


@given(OWNERS, st.sets(st.integers(0, 60)))
def test_interrupted_jobs_come_first(owners: list[int], interrupted: set[int]) -> None:
    """Jobs that have had their turn go on before all others, in the order in which they came; the
    turns of the others stay as they are.
    """
    turns, others = FairQueue(), FairQueue()
    for job_id, owner_id in enumerate(owners):
        turns.add(owner_id, job_id, has_had_turn=job_id in interrupted)
        if job_id not in interrupted:
            others.add(owner_id, job_id)
    expected = [(owner, job) for job, owner in enumerate(owners) if job in interrupted]
    places = [turns.position(owner, job) for owner, job in expected]
    assert len(turns) == len(owners)
    assert drain(turns) == expected + drain(others)
    assert places == [*range(1, len(expected) + 1)]


def test_an_interrupted_job_waits_for_its_limits() -> None:
    """A limit of its owner holds it back, and no other job; it can be withdrawn."""
    turns = FairQueue()
    turns.add(1, 10, has_had_turn=True)
    turns.add(2, 20)

    assert turns.take(lambda owner_id: owner_id != 1) == (2, 20)
    assert turns.remove(1, 10)
    assert turns.take(anyone) is None
