"""Pages behind links and their downloads in SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    RowMapping,
    Select,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from bot.adapters.ledger.objects import IS_LIVE
from bot.adapters.ledger.rows import Instant, insert_for, once_per_dialect, read_rows, to_object
from bot.adapters.ledger.schema import answers, jobs, objects, page_files, pages
from bot.core.files import FileKind, LinkMode
from bot.core.jobs import StoredObject
from bot.core.ports.pages import Page, PageContent, PageFile, PageOptions, Tell, make_token

SHOWN_EVERY: Final = timedelta(minutes=1)
"""The least time between two corrections of an answer for its number of downloads."""

_ADD = insert(pages)
_OF_FILES = (
    jobs.c.id,
    jobs.c.answer_id,
    jobs.c.owner_id,
    jobs.c.name,
    jobs.c.kind,
    jobs.c.size,
    jobs.c.sha256,
    jobs.c.mime_type,
    page_files.c.downloads,
    page_files.c.used,
)
_IS_FOR_PAGE = objects.c.mode == LinkMode.PAGE.value
_PAGES = (
    select(*pages.c, *_OF_FILES, *objects.c)
    .outerjoin(jobs, jobs.c.answer_id == pages.c.answer_id)
    .outerjoin(page_files, page_files.c.job_id == jobs.c.id)
    .outerjoin(objects, (objects.c.job_id == jobs.c.id) & _IS_FOR_PAGE)
)
"""Pages with their files and their objects: one statement, because visitors wait for it."""
_IN_ORDER = (jobs.c.message_id, jobs.c.id, objects.c.id)
_BY_TOKEN = _PAGES.where(pages.c.token == bindparam("token")).order_by(*_IN_ORDER)
_BY_ANSWERS = _PAGES.where(pages.c.answer_id.in_(bindparam("answers", expanding=True))).order_by(
    *_IN_ORDER
)
_ALONE = select(func.pg_advisory_xact_lock(7235412010))
"""Held to the end of the transaction. The number is of no other meaning."""
_PAGE_KEYS, _FILE_KEYS, _OBJECT_KEYS = (
    [column.name for column in columns] for columns in (pages.c, _OF_FILES, objects.c)
)
_ANSWERS_OF = (
    select(jobs.c.id, jobs.c.answer_id)
    .join(pages, pages.c.answer_id == jobs.c.answer_id)
    .where(jobs.c.id.in_(bindparam("jobs", expanding=True)))
)
_COUNT_PAGE = (
    update(pages)
    .where(pages.c.id == bindparam("page"))
    .values(
        downloads=pages.c.downloads + bindparam("count", type_=Integer),
        last_download_at=bindparam("now", type_=Instant),
    )
)


def add(connection: Connection, answer_id: int, job_ids: Sequence[int]) -> None:
    """Create the page of a new answer. The lowest number of downloads that was asked for with one
    of these files holds for each.
    """
    asked = select(func.min(jobs.c.most_downloads)).where(jobs.c.id.in_(job_ids))
    most = connection.execute(asked).scalar_one()
    values = {"answer_id": answer_id, "token": make_token(), "most_downloads": most}
    connection.execute(_ADD, values)


def create(connection: Connection, job_id: int) -> PageContent | None:
    """Create the page of a job of a command, whose answer is older than its object, and return
    it; `None` where the object was not stored for a page.
    """
    if job_id not in (found := of_jobs(connection, [job_id])):
        its_answer = select(jobs.c.answer_id).where(jobs.c.id == job_id)
        answer_id = connection.execute(its_answer).scalar_one()
        its_objects = select(objects.c.id).where(objects.c.job_id == job_id, _IS_FOR_PAGE)
        if connection.execute(its_objects).first():
            add(connection, answer_id, [job_id])
            found = of_jobs(connection, [job_id])
    return found.get(job_id)


def find(connection: Connection, token: str) -> PageContent | None:
    """Return the page with this token."""
    return next(iter(_read(connection, _BY_TOKEN, token=token)), None)


def _read(connection: Connection, statement: Select[Any], **values: Any) -> list[PageContent]:
    """Return the pages that a statement made of `_PAGES` finds, in its order."""
    first, last = len(_PAGE_KEYS), len(_PAGE_KEYS) + len(_FILE_KEYS)
    found: dict[int, tuple[list[Page], dict[int, PageFile]]] = {}
    for row in connection.execute(statement, values):
        page, file = _named(_PAGE_KEYS, row[:first]), _named(_FILE_KEYS, row[first:last])
        if page["id"] not in found:
            found[page["id"]] = (read_rows(connection, pages, [page], _to_page), {})
        stored = _named(_OBJECT_KEYS, row[last:])
        if stored["id"] is not None:
            # The newest of a job, which comes last.
            for one in read_rows(connection, objects, [stored], _to_stored):
                found[page["id"]][1][file["id"]] = _to_file(file, *one)
    return [
        PageContent(page, tuple(files.values()))
        for readable, files in found.values()
        for page in readable
    ]


def _named(keys: Sequence[str], values: Sequence[Any]) -> RowMapping:
    return cast(RowMapping, dict(zip(keys, values, strict=True)))


def of_jobs(connection: Connection, job_ids: Sequence[int]) -> dict[int, PageContent]:
    """Return the pages that show these jobs, by job."""
    rows = connection.execute(_ANSWERS_OF, {"jobs": list(job_ids)})
    by_job = {row.id: row.answer_id for row in rows}
    by_answer = of_answers(connection, sorted(set(by_job.values())))
    return {job: by_answer[answer] for job, answer in by_job.items() if answer in by_answer}


def of_answers(connection: Connection, answer_ids: Sequence[int]) -> dict[int, PageContent]:
    """Return the pages of answers."""
    if not answer_ids:
        return {}
    found = _read(connection, _BY_ANSWERS, answers=list(answer_ids))
    return {content.page.answer_id: content for content in found}


@dataclass(frozen=True, slots=True)
class PageWish:
    """A visitor's wish at `now` for the file `number`, from 1, and the hash of the password that
    they were admitted with, `None` for none.
    """

    token: str
    number: int
    now: datetime
    password_hash: str | None = None

    def file_of(self, content: PageContent) -> PageFile | None:
        """Return the file, if the page gives it to this visitor; it may be used up."""
        options = content.page.options
        if options.is_paused or options.password_hash != self.password_hash:
            return None
        files = content.files
        file = files[self.number - 1] if 1 <= self.number <= len(files) else None
        return file if file is not None and file.is_open(self.now) else None


def use(
    connection: Connection, admission: PageWish, wanted: int = 1
) -> tuple[int, PageContent | None]:
    """Use downloads of a file; return how many of those `wanted` were left, and the page as it was
    before. One transaction reads, decides and counts, so that a visit of the ledger is enough.
    """
    _count_alone(connection)
    content = find(connection, admission.token)
    file = admission.file_of(content) if content is not None else None
    if content is None or file is None:
        return 0, content
    most = content.page.options.most_downloads
    taken = wanted if most is None else max(0, min(wanted, most - file.used))
    if taken:
        given = {"job_id": file.job_id, "downloads": taken, "used": taken}
        connection.execute(_count_file(connection), given)
        counted = {"page": content.page.id, "count": taken, "now": admission.now}
        connection.execute(_COUNT_PAGE, counted)
    return taken, content


def _count_alone(connection: Connection) -> None:
    """Wait for another process that counts: a file has one writer, a server may have several.

    A statement of its own, so that the next one sees what the other process has committed. Not by
    locks of rows: each process takes them in the order of its visitors, which ends in deadlocks.
    """
    if connection.dialect.name != "sqlite":
        connection.execute(_ALONE)


def count(connection: Connection, downloads: Mapping[tuple[int, int], int], now: datetime) -> None:
    """Add downloads, by page and job, that use up nothing."""
    _count_alone(connection)
    known = select(jobs.c.id).where(jobs.c.id.in_([job for _, job in downloads]))
    present = set(connection.execute(known).scalars())
    for (page_id, job_id), number in downloads.items():
        if job_id in present:
            values = {"job_id": job_id, "downloads": number, "used": 0}
            connection.execute(_count_file(connection), values)
            connection.execute(_COUNT_PAGE, {"page": page_id, "count": number, "now": now})


def set_options(connection: Connection, page_id: int, /, **changes: Any) -> bool:
    """Change options; the answer becomes stale, without changes too."""
    # SQL has no update without a column.
    statement = update(pages).where(pages.c.id == page_id).values(**changes or {"id": page_id})
    if connection.execute(statement).rowcount == 0:
        return False
    _make_stale(connection, pages.c.id == page_id)
    return True


def rearm(connection: Connection, page_id: int, job_id: int | None = None) -> None:
    """Let files be downloaded as often again as the options allow."""
    members = (
        select(jobs.c.id)
        .join(pages, pages.c.answer_id == jobs.c.answer_id)
        .where(pages.c.id == page_id)
    )
    if job_id is not None:
        members = members.where(jobs.c.id == job_id)
    connection.execute(update(page_files).where(page_files.c.job_id.in_(members)).values(used=0))
    _make_stale(connection, pages.c.id == page_id)


def renew(connection: Connection, page_id: int) -> str:
    """Give the page a new token."""
    token = make_token()
    connection.execute(update(pages).where(pages.c.id == page_id).values(token=token))
    _make_stale(connection, pages.c.id == page_id)
    return token


def end_at(connection: Connection, page_id: int, due_at: Mapping[int, datetime]) -> int:
    """Set the end of live objects of the page, by job; return how many changed."""
    its_answer = select(pages.c.answer_id).where(pages.c.id == page_id).scalar_subquery()
    changed = 0
    for job_id, due in due_at.items():
        is_its_job = exists().where(jobs.c.id == objects.c.job_id, jobs.c.answer_id == its_answer)
        statement = update(objects).where(
            objects.c.job_id == job_id, IS_LIVE, objects.c.ending.is_(None), is_its_job
        )
        changed += connection.execute(statement.values(due_at=due)).rowcount
    if changed:
        _make_stale(connection, pages.c.id == page_id)
    return changed


def show_downloads(connection: Connection, now: datetime, limit: int) -> int:
    """Make answers stale whose number of downloads changed."""
    found = connection.execute(
        select(pages.c.id)
        .where(pages.c.downloads > pages.c.shown_downloads)
        .where(or_(pages.c.shown_at.is_(None), pages.c.shown_at <= now - SHOWN_EVERY))
        .limit(limit)
    )
    ids = list(found.scalars())
    if ids:
        values = {"shown_downloads": pages.c.downloads, "shown_at": now}
        connection.execute(update(pages).where(pages.c.id.in_(ids)).values(values))
        _make_stale(connection, pages.c.id.in_(ids))
    return len(ids)


def to_tell(connection: Connection, limit: int) -> list[PageContent]:
    """Return pages with downloads of which the sender wants to be told."""
    is_wanted = (pages.c.tell == Tell.EACH.value) | (pages.c.told_downloads == 0)
    is_untold = (pages.c.tell != "off") & (pages.c.downloads > pages.c.told_downloads)
    found = select(pages.c.id).where(is_untold, is_wanted).order_by(pages.c.id).limit(limit)
    statement = _PAGES.where(pages.c.id.in_(found)).order_by(pages.c.id, *_IN_ORDER)
    return _read(connection, statement)


def told(connection: Connection, page_id: int, downloads: int) -> None:
    """Record that the sender was told."""
    statement = update(pages).where(pages.c.id == page_id)
    connection.execute(statement.values(told_downloads=downloads))


def live(connection: Connection, limit: int) -> list[PageContent]:
    """Return the pages with a file that has not ended, the newest first."""
    shown = (
        select(jobs.c.answer_id)
        .join(objects, objects.c.job_id == jobs.c.id)
        .where(IS_LIVE, objects.c.ending.is_(None), objects.c.mode == LinkMode.PAGE.value)
    )
    newest = (
        select(pages.c.id)
        .where(pages.c.answer_id.in_(shown))
        .order_by(pages.c.id.desc())
        .limit(limit)
    )
    statement = _PAGES.where(pages.c.id.in_(newest)).order_by(pages.c.id.desc(), *_IN_ORDER)
    return _read(connection, statement)


def remove_files(connection: Connection, job_ids: Sequence[int]) -> None:
    """Remove what belongs to jobs that are about to be removed."""
    connection.execute(delete(page_files).where(page_files.c.job_id.in_(job_ids)))


def remove(connection: Connection, is_answer: ColumnElement[bool]) -> None:
    """Remove the pages of answers that are about to be removed."""
    found = select(answers.c.id).where(is_answer)
    connection.execute(delete(pages).where(pages.c.answer_id.in_(found)))


def _make_stale(connection: Connection, is_page: ColumnElement[bool]) -> None:
    shown = select(pages.c.answer_id).where(is_page)
    changes = answers.c.changes + 1
    connection.execute(update(answers).where(answers.c.id.in_(shown)).values(changes=changes))


@once_per_dialect
def _count_file(connection: Connection) -> Any:
    statement = insert_for(connection, page_files).values(
        job_id=bindparam("job_id"), downloads=bindparam("downloads"), used=bindparam("used")
    )
    return statement.on_conflict_do_update(
        index_elements=["job_id"],
        set_={
            "downloads": page_files.c.downloads + statement.excluded.downloads,
            "used": page_files.c.used + statement.excluded.used,
        },
    )


def _to_stored(row: RowMapping) -> tuple[StoredObject, datetime | None]:
    return to_object(row), row["gone_at"]


def _to_page(row: RowMapping) -> Page:
    return Page(
        id=row["id"],
        answer_id=row["answer_id"],
        token=row["token"],
        options=PageOptions(
            most_downloads=row["most_downloads"],
            password_hash=row["password_hash"],
            is_paused=row["is_paused"],
            sender=row["sender"],
            tell=Tell(row["tell"]),
        ),
        downloads=row["downloads"],
        last_download_at=row["last_download_at"],
        told_downloads=row["told_downloads"],
        shown_downloads=row["shown_downloads"],
    )


def _to_file(row: RowMapping, stored: StoredObject, gone_at: datetime | None) -> PageFile:
    return PageFile(
        job_id=row["id"],
        owner_id=row["owner_id"],
        name=row["name"],
        kind=FileKind(row["kind"]),
        size=row["size"] or 0,
        sha256=row["sha256"] or "",
        mime_type=row["mime_type"],
        stored=stored,
        gone_at=gone_at,
        downloads=row["downloads"] or 0,
        used=row["used"] or 0,
    )
