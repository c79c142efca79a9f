"""Files while processes are killed: what must not be, and how long a takeover takes."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.bench.report import Sheet
from tests.kill.away import run_away
from tests.kill.chaos import run_chaos
from tests.kill.verdict import (
    FRONT_WITHIN,
    JOBS_WITHIN,
    Hindrance,
    Plan,
    Takeover,
    Verdict,
    figures,
)

KINDS: Final = (
    "lost",
    "wrong bytes",
    "not opened",
    "answered twice",
    "open upload",
    "orphan",
    "live without bytes",
    "link past its end",
    "object past its end",
    "write of a zombie",
)
AWAY: Final = 120.0
"""Seconds without the database."""
SHOWN: Final = 5
"""Of each kind of fault so many are named."""


def measure(seeds: int = 5) -> Sheet:
    """Run so many seeds, one after the other."""
    verdicts = []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory(prefix="relay-chaos-") as name:
            verdicts.append(asyncio.run(run_chaos(Plan(seed), Path(name))))
    columns = ("figure", *(f"seed {verdict.plan.seed}" for verdict in verdicts), "bar")
    plan = verdicts[0].plan
    notes = [
        f"{plan.files} files, {plan.workers} workers, {plan.fronts} fronts; for"
        f" {plan.seconds:.0f} s a process was killed every 2 to 4 s. The server of the database"
        f" was stopped as by a crash, for {plan.server_away:.0f} s; a worker and a front stood"
        f" still for {plan.standstill:.0f} s. Takeovers in seconds: median, worst, how many; those"
        " that something else delayed stand apart.",
        *_faults(verdicts),
    ]
    return Sheet("chaos: killed processes", columns, [*_rows(verdicts)], notes)


def _rows(verdicts: Sequence[Verdict]) -> Iterator[Sequence[str]]:
    yield ("killed", *(_counts(verdict.kills) for verdict in verdicts), "")
    yield ("ended by themselves", *(_counts(verdict.ends) for verdict in verdicts), "")
    yield ("attempts of a job", *(_counts(v.attempts) for v in verdicts), "")
    yield ("last answer after", *(f"{v.settled_after:.0f} s" for v in verdicts), "")
    for kind in KINDS:
        counts = [len(verdict.faults.get(kind, ())) for verdict in verdicts]
        yield (kind, *map(str, counts), f"0: {_holds(not any(counts))}")
    yield ("ended before it was opened", *(str(v.unopened) for v in verdicts), "")
    yield ("answered twice after a cut", *(str(v.twice_after_cut) for v in verdicts), "")
    yield from _takeovers("job", [v.jobs for v in verdicts], JOBS_WITHIN)
    yield from _takeovers("front", [v.fronts for v in verdicts], FRONT_WITHIN)


def _takeovers(
    what: str, found: Sequence[Sequence[Takeover]], within: float
) -> Iterator[Sequence[str]]:
    plain = [figures(some) for some in found]
    worst = max((seconds for some in plain for seconds in some), default=0.0)
    yield (
        f"{what} taken over",
        *map(_spread, plain),
        f"<= {within:.0f} s: {_holds(worst <= within)}",
    )
    for hindrance in Hindrance:
        hindered = [figures(some, hindrance) for some in found]
        if hindrance is not Hindrance.NONE and any(hindered):
            yield (f"{what} taken over, {hindrance}", *map(_spread, hindered), "")
    never = [sum(taken.seconds is None for taken in some) for some in found]
    yield (f"{what} never taken over", *map(str, never), f"0: {_holds(not any(never))}")


def _spread(seconds: Sequence[float]) -> str:
    if not seconds:
        return "-"
    return f"{seconds[len(seconds) // 2]:.1f}, {seconds[-1]:.1f} ({len(seconds)})"


def _counts(counts: "Counter[str] | Counter[int] | object") -> str:
    assert isinstance(counts, Counter)
    return ", ".join(f"{name}: {n}" for name, n in sorted(counts.items())) or "-"


def _holds(holds: bool) -> str:  # noqa: FBT001 -- the one thing it is about.
    return "holds" if holds else "MISSED"


def _faults(verdicts: Iterable[Verdict]) -> Iterator[str]:
    for verdict in verdicts:
        for kind, found in verdict.faults.items():
            for fault in found[:SHOWN]:
                yield f"seed {verdict.plan.seed}, {kind}: {fault}"


def measure_away() -> Sheet:
    """Let the database be away for two minutes."""
    with tempfile.TemporaryDirectory(prefix="relay-away-") as name:
        found = asyncio.run(run_away(Path(name), AWAY))
    rows = [
        ("processes that said why they wait", *_of(found.said_why, found.processes)),
        ("… within", f"{found.noticed_after:.1f} s", ""),
        ("processes that ended", str(found.ended), f"0: {_holds(not found.ended)}"),
        ("files answered once", *_of(found.answered_once, found.files)),
        ("open uploads", str(found.uploads), f"0: {_holds(not found.uploads)}"),
        ("objects", *_of(found.objects, found.files)),
        ("all answered after the return", f"{found.answered_after:.1f} s", ""),
        ("all ready after the return", f"{found.ready_after:.1f} s", ""),
    ]
    title = f"away: {AWAY:.0f} s without the database"
    notes = ["Half of the files were in the middle of their way, half came meanwhile."]
    return Sheet(title, ("figure", "found", "bar"), rows, notes)


def _of(count: int, all_of: int) -> tuple[str, str]:
    return str(count), f"{all_of}: {_holds(count == all_of)}"
