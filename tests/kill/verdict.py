"""What became of the files of a chaos: told by what both stand-ins remember, and by SQL."""

import asyncio
import signal
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from tests.kill import witness
from tests.kill.cluster import SERVER, Cluster, Event, Happening, Role
from tests.kill.links import LinkWatch, Saying

JOBS_WITHIN: Final = 30.0
FRONT_WITHIN: Final = 15.0
"""Seconds that a takeover may take while the database is there."""
CUT_BEFORE: Final = 2.0
"""Seconds: a call that came so shortly before its process was killed may have been cut, and
whether it was stored.
"""
CLOCKS: Final = 0.3
"""Seconds by which the notes of two processes about one moment may differ."""
ARRIVED: Final = frozenset({0, 200})
"""Status of a call that was carried out; 0 where the caller was gone before the answer."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long it takes, and what happens in it. All of it follows from the seed. Times are in
    seconds; a worker and a front stand still for `standstill`.
    """

    seed: int
    files: int = 300
    workers: int = 4
    fronts: int = 2
    seconds: float = 60.0
    standstill: float = 30.0
    server_away: float = 4.0
    people: int = 60
    short: float = 0.2
    """The share of files whose links live a minute."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A file that was sent, with the id of its message. The link of a short one lives a minute."""

    name: str
    chat_id: int
    message_id: int
    sha256: str
    is_short: bool


class Hindrance(StrEnum):
    """What delays a takeover beyond the end of a lease."""

    NONE = "none"
    DATABASE = "database away"
    FRONTS = "two fronts died"
    """One after the other: for two leases no front could take anything back."""
    SLOTS = "no slot free"
    """It was taken back, and went on as the first one that a worker had room for."""
    ON_PURPOSE = "put off"
    """The job has crashed several workers, and waits."""


@dataclass(frozen=True, slots=True)
class Takeover:
    """What a process left was taken over after `seconds`; `None` if it never was."""

    what: str
    seconds: float | None
    hindrance: Hindrance = Hindrance.NONE


@dataclass
class Verdict:
    """What became of it all. `faults` has to be empty."""

    plan: Plan
    kills: Counter[str] = field(default_factory=Counter)
    faults: dict[str, list[str]] = field(default_factory=dict)
    """What must not be, by kind."""
    twice_after_cut: int = 0
    """Answers that were sent again because a sending was cut."""
    unopened: int = 0
    """Links that ended before they could be opened."""
    jobs: list[Takeover] = field(default_factory=list)
    fronts: list[Takeover] = field(default_factory=list)
    attempts: Mapping[int, int] = field(default_factory=dict)
    """How many jobs had how many attempts."""
    states: Mapping[str, int] = field(default_factory=dict)
    settled_after: float = 0.0
    """Seconds from the last kill to the last answer."""
    flood_hits: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    """Processes that ended without being killed, by role and exit code."""

    def fault(self, kind: str, what: object) -> None:
        """Note something that must not be."""
        self.faults.setdefault(kind, []).append(str(what))


async def judge(cluster: Cluster, plan: Plan, sent: Sequence[Sent], links: LinkWatch) -> Verdict:
    """Judge a run that has come to rest, and whose links have all ended."""
    verdict = Verdict(plan)
    verdict.kills.update(
        "server" if event.who == SERVER else event.who.partition("-")[0]
        for event in cluster.events
        if event.kind is Happening.KILLED
    )
    verdict.flood_hits = await cluster.sandbox.telegram.flood_hits()
    await _judge_files(verdict, cluster, sent, links)
    await _judge_store(verdict, cluster, links)
    await _judge_writes(verdict, cluster)
    verdict.ends.update(
        f"{member.role} with {code}"
        for member in cluster.members
        for code in member.ends
        if code != -signal.SIGKILL
    )
    return verdict


async def _judge_files(
    verdict: Verdict, cluster: Cluster, sent: Sequence[Sent], links: LinkWatch
) -> None:
    rows = await cluster.ask(
        "SELECT j.chat_id, j.message_id, j.state, j.attempt, coalesce(j.error_code, ''),"
        " coalesce(array_agg(o.key) FILTER (WHERE o.key IS NOT NULL), '{}'),"
        " coalesce(bool_or(a.message_id IS NOT NULL), false)"
        " FROM jobs j LEFT JOIN objects o ON o.job_id = j.id"
        " LEFT JOIN answers a ON a.id = j.answer_id GROUP BY j.id"
    )
    found = {(chat_id, message_id): rest for chat_id, message_id, *rest in rows}
    cuts = list(_cuts(cluster.events))
    verdict.states = Counter(str(rest[0]) for rest in found.values())
    verdict.attempts = Counter(int(rest[1]) for rest in found.values())
    for file in sent:
        absent: tuple[Any, ...] = ("absent", 0, "", [], False)
        state, _, code, keys, answered = found.get((file.chat_id, file.message_id), absent)
        shown = [key for key in keys if key in links.shown]
        # If no front ran while a short link lived, the answer says that it has ended.
        has_ended = file.is_short and state == "done" and answered
        if not shown and not has_ended:
            verdict.fault("lost", f"{file.name}: {state} {code}")
            continue
        _judge_bytes(verdict, file, links, shown)
        _judge_answers(verdict, file, [s for key in shown for s in links.shown[key]], cuts)


def _judge_bytes(verdict: Verdict, file: Sent, links: LinkWatch, keys: Sequence[str]) -> None:
    opened = {links.digests[key] for key in keys if key in links.digests}
    if opened - {file.sha256}:
        verdict.fault("wrong bytes", file.name)
    elif not opened and file.is_short:
        verdict.unopened += 1
    elif not opened:
        verdict.fault("not opened", f"{file.name}: {[links.unopened.get(key) for key in keys]}")


def _judge_answers(
    verdict: Verdict, file: Sent, said: Iterable[Saying], cuts: Sequence[tuple[float, float]]
) -> None:
    answers = sorted(s.at for s in said if s.is_new and s.status in ARRIVED)
    # Of all but the last one it was not known that they had arrived.
    for at in answers[:-1]:
        if any(begin <= at <= end for begin, end in cuts):
            verdict.twice_after_cut += 1
        else:
            verdict.fault("answered twice", f"{file.name} at {answers}")


def _cuts(events: Sequence[Event]) -> Iterator[tuple[float, float]]:
    """Yield the spans in which a call may have been cut: before a front was killed or stood
    still, also while it waited for the database to store the outcome, and as it went on.
    """
    away = [*_away(events)]
    for event in events:
        if event.who == SERVER or not event.who.startswith(Role.FRONT.value):
            continue
        if event.kind is Happening.CONTINUED:
            yield event.at - CLOCKS, event.at + CUT_BEFORE
        elif event.kind in {Happening.KILLED, Happening.STOPPED}:
            # Where the database was away, since it went.
            begin = min([event.at, *[a for a, b in away if a <= event.at <= b + CUT_BEFORE]])
            yield begin - CUT_BEFORE, event.at + CLOCKS


def _away(events: Sequence[Event]) -> Iterator[tuple[float, float]]:
    """Yield the spans in which the database was away."""
    began = 0.0
    for event in events:
        if event.who != SERVER:
            continue
        if event.kind is Happening.STOPPED:
            began = event.at
        else:
            yield began, event.at


async def _judge_store(verdict: Verdict, cluster: Cluster, links: LinkWatch) -> None:
    oss, bucket = cluster.sandbox.oss, cluster.sandbox.bucket
    for upload in await oss.uploads(bucket):
        verdict.fault("open upload", upload["key"])
    live = {key for (key,) in await cluster.ask("SELECT key FROM objects WHERE state = 'live'")}
    there = {stored["key"] for stored in await oss.objects(bucket)}
    for key in there - live:
        verdict.fault("orphan", key)
    for key in live - there:
        verdict.fault("live without bytes", key)
    await links.open_all()
    for key in links.past_end:
        verdict.fault("link past its end", key)
    ended = "SELECT key FROM objects WHERE state = 'live' AND due_at < %d"
    now = await cluster.sandbox.telegram.now()
    for (key,) in await cluster.ask(ended % (now.timestamp() * 1_000_000)):
        verdict.fault("object past its end", key)


async def _judge_writes(verdict: Verdict, cluster: Cluster) -> None:
    found = await asyncio.to_thread(witness.writes, cluster.server.url())
    record = witness.judge(found, [member.name for member in cluster.of(Role.WORKER)])
    for write in record.zombies:
        verdict.fault("write of a zombie", _named(write))
    away = [*_away(cluster.events)]
    for event in cluster.events:
        if event.kind in {Happening.KILLED, Happening.STOPPED} and event.who != SERVER:
            _judge_takeover(verdict, record, event, away)


def _judge_takeover(
    verdict: Verdict, record: witness.Record, event: Event, away: Sequence[tuple[float, float]]
) -> None:
    """Note who went on with what a process left that was killed or stood still."""
    if not event.who.startswith(Role.WORKER.value):
        if record.front(event.at) == event.who:
            taken = record.next_front(event.who, event.at)
            verdict.fronts.append(_takeover(event.who, event, taken, away))
        return
    for job_id in record.jobs_of(event.who, event.at):
        # One that stood still may go on before its lease has ended.
        if record.came_back(job_id, event.at):
            continue
        taken = record.next_attempt(job_id, event.at)
        takeover = _takeover(f"job {job_id} of {event.who}", event, taken, away)
        if taken is not None and takeover.hindrance is Hindrance.NONE:
            why = _delay(record, job_id, event.at, taken.at)
            takeover = replace(takeover, hindrance=why)
        verdict.jobs.append(takeover)


def _delay(record: witness.Record, job_id: int, after: float, before: float) -> Hindrance:
    if record.was_put_off(job_id, after, before):
        return Hindrance.ON_PURPOSE
    fronts = [tenure for tenure in record.fronts if after < tenure.at < before]
    if len(fronts) > 1:
        return Hindrance.FRONTS
    waited = record.waited_for_a_slot(job_id, after, before)
    return Hindrance.SLOTS if waited else Hindrance.NONE


def _takeover(
    what: str,
    event: Event,
    taken: witness.Tenure | None,
    away: Sequence[tuple[float, float]],
) -> Takeover:
    if taken is None:
        return Takeover(what, None)
    is_away = any(begin < taken.at and event.at < end for begin, end in away)
    hindrance = Hindrance.DATABASE if is_away else Hindrance.NONE
    return Takeover(what, taken.at - event.at, hindrance)


def _named(write: witness.Write) -> str:
    changes = {name: value for name, value in write.new.items() if write.old.get(name) != value}
    return f"{write.run} at {write.at:.2f}: {write.place} {write.row.get('id')} {changes}"


def figures(takeovers: Iterable[Takeover], hindrance: Hindrance = Hindrance.NONE) -> list[float]:
    """Return the seconds of those takeovers, ascending."""
    return sorted(
        float(taken.seconds)
        for taken in takeovers
        if taken.seconds is not None and taken.hindrance is hindrance
    )
