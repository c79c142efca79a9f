"""The verdict of an examination."""

from bot.cli.common import Row, Verdict, broken, ok, warning, worst

FINE, ODD, BAD = ok("a", "fine"), warning("b", "odd", "look"), broken("c", "bad", "mend")


def test_the_worst_counts() -> None:
    """One broken row makes the whole broken; no row at all is fine."""
    seen = [worst(rows) for rows in ([], [FINE], [ODD, FINE], [FINE, BAD, ODD])]

    assert seen == [Verdict.OK, Verdict.OK, Verdict.WARNING, Verdict.BROKEN]


def test_rows() -> None:
    """A row that is in order needs no remedy; every other row has one."""
    assert Row("a", Verdict.OK, "fine", "") == FINE
    assert [ODD.remedy, BAD.remedy] == ["look", "mend"]
