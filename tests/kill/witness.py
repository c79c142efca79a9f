"""The writes to the ledger in the order of their commits, as triggers of the database saw them.

Nothing of the program is used here: what a process may write is judged by the rows alone. A
process is known by the name that it gives to the database server, another one for each of its
runs.

* A lease changes hands where its fence changes. A front that writes about jobs, answers or
  messages after another process has taken the lease `bot` is a zombie, and so is a worker that
  writes after its lease was taken away.
* An attempt of a job begins where its number changes; the process that committed that is its
  worker, until the next attempt begins or a front takes the job back. Another worker that changes
  the job or its upload is a zombie.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.rows import class_row

FRONT_TABLES: Final = ("jobs", "answers", "cards", "outbox", "pages", "dead_updates")
"""Only the holder of the lease `bot` writes them, but for attempts of workers."""
TABLES: Final = (*FRONT_TABLES, "objects", "leases", "runs", "workers")
BOT: Final = "bot"
WORKER: Final = "worker-"
"""Names of leases; that of a worker ends with its name."""
SOON: Final = 2.0
"""Seconds: a job that is due later was put off."""
_UPLOAD: Final = ("upload_id", "part_size", "completed_at")
"""What an attempt changes of its object, beside making it live."""

_SCHEMA: Final = """
CREATE SCHEMA IF NOT EXISTS witness;
CREATE TABLE IF NOT EXISTS witness.writes (
    id bigserial PRIMARY KEY,
    run text NOT NULL DEFAULT current_setting('application_name'),
    place text NOT NULL,
    old jsonb,
    new jsonb
);
CREATE OR REPLACE FUNCTION witness.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO witness.writes (place, old, new)
    VALUES (TG_TABLE_NAME, to_jsonb(OLD), to_jsonb(NEW));
    RETURN NULL;
END $$;
"""
_TRIGGER: Final = """
CREATE OR REPLACE TRIGGER witness AFTER INSERT OR UPDATE OR DELETE ON public.{}
FOR EACH ROW EXECUTE FUNCTION witness.note()
"""
_PRESENT: Final = """
INSERT INTO witness.writes (run, place, new) SELECT %s, 'leases', to_jsonb(leases) FROM leases
"""
_WRITES: Final = """
SELECT id, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float AS at, run, place,
       coalesce(old, '{}') AS old, coalesce(new, '{}') AS new
FROM witness.writes ORDER BY 2, 1
"""


@dataclass(frozen=True, slots=True)
class Write:
    """A row that `run` inserted, changed or deleted, with a commit at `at` (POSIX seconds). `old`
    is empty for an inserted row, `new` for a deleted one.
    """

    id: int
    at: float
    run: str
    place: str
    old: Mapping[str, Any]
    new: Mapping[str, Any]

    @property
    def row(self) -> Mapping[str, Any]:
        """The row as it was left, or was."""
        return self.new or self.old

    def changed(self, *columns: str) -> bool:
        """Return whether one of these columns changed."""
        return any(self.old.get(name) != self.new.get(name) for name in columns)


@dataclass(frozen=True, slots=True)
class Tenure:
    """Something that `run` holds from the commit at `at` on: a lease, or the attempt of a job."""

    at: float
    run: str


@dataclass
class Record:
    """What can be said about a sequence of writes."""

    leases: dict[str, list[Tenure]] = field(default_factory=dict)
    """Holders of each lease; one without a run stands for a lease that was taken away."""
    attempts: dict[int, list[Tenure]] = field(default_factory=dict)
    """Attempts by job; one without a run stands for a job that runs nowhere."""
    put_off: dict[int, list[Tenure]] = field(default_factory=dict)
    """When jobs were put off for a while, instead of being due at once."""
    zombies: list[Write] = field(default_factory=list)
    """Writes of processes that had lost the right to them."""

    @property
    def fronts(self) -> Sequence[Tenure]:
        """Return the holders of the lease `bot`."""
        return self.leases.get(BOT, [])

    def worker_of(self, job_id: int, at: float | None = None) -> str:
        """Return the run that works on a job, at the end or at a time; "" if none does."""
        found = [t for t in self.attempts.get(job_id, ()) if at is None or t.at <= at]
        return found[-1].run if found else ""

    def front(self, at: float | None = None) -> str:
        """Return the run that holds the lease `bot`, at the end or at a time; "" if none does."""
        found = [tenure for tenure in self.fronts if at is None or tenure.at <= at]
        return found[-1].run if found else ""

    def jobs_of(self, run: str, at: float) -> Iterator[int]:
        """Yield the jobs that a run works on at a time."""
        for job_id in self.attempts:
            if self.worker_of(job_id, at) == run:
                yield job_id

    def next_attempt(self, job_id: int, after: float) -> Tenure | None:
        """Return the first attempt of a job that begins after a time."""
        tenures = self.attempts[job_id]
        return next((t for t in tenures if t.at > after and t.run), None)

    def was_put_off(self, job_id: int, after: float, before: float) -> bool:
        """Return whether a job was put off between two times."""
        return any(after < t.at < before for t in self.put_off.get(job_id, ()))

    def waited_for_a_slot(self, job_id: int, after: float, before: float) -> bool:
        """Return whether a job that was taken back between two times waited only for a place: it
        was there for a while, and no job that had not begun was preferred to it meanwhile.
        """
        back = [t.at for t in self.attempts[job_id] if after < t.at < before and not t.run]
        if not back or before - back[0] < SOON:
            return False
        firsts = (tenures[0].at for tenures in self.attempts.values() if tenures)
        return not any(back[0] + SOON / 2 < at < before for at in firsts)

    def came_back(self, job_id: int, after: float) -> bool:
        """Return whether the attempt of a job ended after a time, and no other one followed."""
        later = [tenure for tenure in self.attempts[job_id] if tenure.at > after]
        return bool(later) and not any(tenure.run for tenure in later)

    def next_front(self, run: str, after: float) -> Tenure | None:
        """Return the first holder of the lease after a time that is another run than this one."""
        return next((t for t in self.fronts if t.at > after and t.run != run), None)


def install(url: str, only: str) -> None:
    """Watch the tables of the ledger from now on. `only` is the one process so far, which holds
    the leases that there are. Blocks.
    """
    with psycopg.connect(url) as connection:
        connection.execute(_SCHEMA)
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        present = {name for (name,) in found}
        for table in TABLES:
            if table in present:
                connection.execute(sql.SQL(_TRIGGER).format(sql.Identifier(table)))
        connection.execute(_PRESENT, (only,))


def writes(url: str) -> list[Write]:
    """Return all writes so far, by the time of their commits. Blocks."""
    with (
        psycopg.connect(url) as connection,
        connection.cursor(row_factory=class_row(Write)) as cursor,
    ):
        return cursor.execute(_WRITES).fetchall()


def judge(found: Iterable[Write], workers: Sequence[str]) -> Record:
    """Follow the writes. `workers` begin the names of the runs that are workers; all others are
    fronts.
    """
    record = Record()
    for write in found:
        judge_one = _OF_WORKERS if write.run.startswith(tuple(workers) or "\0") else _OF_FRONTS
        is_right = judge_one.get(write.place, _never)(record, write)
        if not is_right:
            record.zombies.append(write)
        _follow(record, write)
    return record


def _follow(record: Record, write: Write) -> None:
    """Note who holds what after a write."""
    if write.place == "leases" and write.new and write.changed("fence"):
        name = str(write.new["name"])
        is_own = name == BOT or write.run.startswith(name.removeprefix(WORKER))
        tenure = Tenure(write.at, write.run if is_own else "")
        record.leases.setdefault(name, []).append(tenure)
    if write.place == "jobs":
        tenures = record.attempts.setdefault(int(write.row["id"]), [])
        if write.new and write.old and write.changed("attempt"):
            tenures.append(Tenure(write.at, write.run))
        elif write.row["state"] != "running" and tenures and tenures[-1].run:
            tenures.append(Tenure(write.at, ""))
            if (
                write.row["state"] == "queued"
                and write.row.get("run_at", 0) / 1e6 > write.at + SOON
            ):
                record.put_off.setdefault(int(write.row["id"]), []).append(tenures[-1])


def _never(record: Record, write: Write) -> bool:  # noqa: ARG001 -- one of several.
    return False


def _always(record: Record, write: Write) -> bool:  # noqa: ARG001 -- one of several.
    return True


def _holds_bot(record: Record, write: Write) -> bool:
    return record.front() == write.run


def _holds_own(record: Record, write: Write) -> bool:
    """Return whether a worker holds its lease."""
    # Its name stays, or is another one for each run.
    names = (write.run, write.run.rpartition(".")[0])
    held = [record.leases.get(f"{WORKER}{name}", [])[-1:] for name in names]
    return any(tenure.run == write.run for last in held for tenure in last)


def _may_renew(record: Record, write: Write) -> bool:
    """Return whether a lease was taken, or changed by its holder."""
    if not write.new or write.changed("fence"):
        return True
    held = record.leases.get(str(write.row["name"]), [])
    return bool(held) and held[-1].run == write.run


def _may_work(record: Record, write: Write) -> bool:
    """Return whether a worker begins an attempt, or changes the job of one that is its own."""
    begins = bool(write.old and write.new and write.changed("attempt"))
    is_its_own = record.worker_of(int(write.row["id"])) == write.run
    return _holds_own(record, write) and (begins or is_its_own)


def _may_upload(record: Record, write: Write) -> bool:
    """Return whether a worker changes the upload of an attempt of its own. What is due is deleted
    by any process.
    """
    becomes_live = write.changed("state") and write.new.get("state") == "live"
    if write.old and not becomes_live and not write.changed(*_UPLOAD):
        return True
    tenures = record.attempts.get(int(write.row["job_id"]), [])
    # The transaction that ends the attempt may have written the job first.
    mine = [t for t in tenures if t.run or t.at < write.at]
    return _holds_own(record, write) and bool(mine) and mine[-1].run == write.run


def _may_end_link(record: Record, write: Write) -> bool:
    """Return whether a worker that has deleted a file lets its answer say so."""
    others = [name for name in write.new if name != "changes"]
    return _holds_own(record, write) and bool(write.old) and not write.changed(*others)


_OF_WORKERS: Final = {
    "answers": _may_end_link,
    "leases": _may_renew,
    "jobs": _may_work,
    "objects": _may_upload,
    "runs": _holds_own,
    "workers": _holds_own,
}
_OF_FRONTS: Final = {
    **dict.fromkeys(FRONT_TABLES, _holds_bot),
    "leases": _may_renew,
    "objects": _always,
    "runs": _holds_bot,
    "workers": _holds_bot,
}
