"""The generator itself: repeatable, varied, and right about what survives."""

from itertools import islice

from tests.fuzz.mutations import DROPPED, Change, Duty, Mutation, mutations
from tests.fuzz.samples import FILES, POLLING, RUNNING, STARTING, UPDATES, Ids


def test_repeatable() -> None:
    """The same seed gives the same mutations, another one others."""
    first, second, other = (list(islice(mutations(seed), 50)) for seed in (1, 1, 2))

    assert first == second
    assert first != other


def test_varied() -> None:
    """There are as many kinds as promised, and five hundred mutations meet all of them."""
    found = list(islice(mutations(0), 500))

    assert len(UPDATES) == 30
    assert len({*STARTING, *RUNNING, *POLLING}) == 15
    assert {mutation.sample for mutation in found} == set(UPDATES)
    assert {mutation.change.value is DROPPED for mutation in found} == {True, False}
    assert {mutation.duty(Ids()) for mutation in found} == set(Duty)


def test_duties() -> None:
    """What is owed follows from the ids that survive."""
    wanted = {
        ("caption_entities",): Duty.LINK,
        ("caption",): Duty.LINK,
        ("document", "file_name"): Duty.LINK,
        ("document", "file_size"): Duty.TOLD,
        ("document", "file_id"): Duty.TOLD,
        ("chat", "id"): Duty.TOLD,
        ("from", "id"): Duty.TOLD,
        ("message_id",): Duty.TOLD,
        ("document",): Duty.NOTHING,
        (): Duty.NOTHING,
    }
    made = {path: Mutation("caption", Change(("message", *path), None)) for path in wanted}

    assert wanted == {path: mutation.duty(Ids()) for path, mutation in made.items()}


def test_changes_leave_the_sample() -> None:
    """A mutation is a copy; every kind of file names the file that it is given."""
    ids = Ids()
    before = UPDATES["photo"](ids)
    Change(("message", "photo", 0, "file_id"), 5).apply(before)

    assert before == UPDATES["photo"](ids)
    assert all(ids.file in str(make(ids)) for make in FILES.values())
