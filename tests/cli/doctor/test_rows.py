"""What an examination says."""

from bot.cli.output import Row, Verdict, broken, ok, warning, worst

FINE, ODD, BAD = ok("a", "fine"), warning("b", "odd", "look"), broken("c", "bad", "mend")


def test_the_worst_counts() -> None:
    """One broken row is broken, whatever the others say; nothing found is fine."""
    seen = [worst(rows) for rows in ([], [FINE], [ODD, FINE], [FINE, BAD, ODD])]

    assert seen == [Verdict.OK, Verdict.OK, Verdict.WARNING, Verdict.BROKEN]


def test_rows() -> None:
    """What is in order needs no remedy; everything else has one."""
    assert Row("a", Verdict.OK, "fine", "") == FINE
    assert [ODD.remedy, BAD.remedy] == ["look", "mend"]
