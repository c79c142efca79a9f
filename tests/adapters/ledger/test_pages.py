"""Pages behind links and their downloads, in SQL."""

import asyncio
from datetime import datetime, timedelta

import pytest

from bot.adapters.ledger.ledger import SqlLedger
from bot.core.files import LinkMode
from bot.core.jobs import Job, Wishes
from bot.core.ports.answers import StoredAnswer
from bot.core.ports.jobs import Finished
from bot.core.ports.pages import REMEMBERED_FOR, PageContent, Tell
from tests.fakes.samples import (
    LIFETIME,
    NOW,
    accept,
    at,
    finish,
    make_file,
    make_origin,
    plan,
)

MINUTE = timedelta(minutes=1)


async def _done(ledger: SqlLedger, wishes: Wishes | None = None) -> Job:
    job = await accept(ledger, wishes=wishes or Wishes())
    job, _ = await finish(ledger, job, mode=LinkMode.PAGE)
    return job


async def _answered(ledger: SqlLedger, jobs: list[Job]) -> StoredAnswer:
    answer = await ledger.answers.begin(jobs, None)
    await ledger.answers.sent(answer.id, 77)
    return answer


async def _page(ledger: SqlLedger, job: Job) -> PageContent:
    return (await ledger.pages.of_jobs([job.id]))[job.id]


async def _shown(ledger: SqlLedger, wishes: Wishes | None = None) -> tuple[Job, PageContent]:
    job = await _done(ledger, wishes)
    await _answered(ledger, [job])
    return job, await _page(ledger, job)


async def test_answer_has_one_page(ledger: SqlLedger) -> None:
    """The page of an answer shows all its files; its token has 128 bits and is in no key."""
    first, second = await _done(ledger), await _done(ledger)
    await _answered(ledger, [first, second])
    page = await _page(ledger, first)

    assert [file.job_id for file in page.files] == [first.id, second.id]
    assert await ledger.pages.find(page.page.token) == page == await _page(ledger, second)
    assert len(page.page.token) == 22
    assert all(page.page.token not in file.stored.key for file in page.files)
    assert (page.files[0].downloads, page.files[0].used, page.page.downloads) == (0, 0, 0)


async def test_files_of_other_modes_have_none(ledger: SqlLedger) -> None:
    """A file that was stored for a signed link has a link of its own."""
    signed, _ = await finish(ledger, await accept(ledger), mode=LinkMode.SIGNED)
    paged = await _done(ledger)
    await _answered(ledger, [signed])
    await _answered(ledger, [paged])

    assert (await ledger.pages.of_jobs([signed.id, paged.id])).keys() == {paged.id}
    assert await ledger.pages.find("x" * 22) is None


async def test_split_answers_have_pages_of_their_own(ledger: SqlLedger) -> None:
    """The answer keeps its page with the first file."""
    first, second = await _done(ledger), await _done(ledger)
    answer = await _answered(ledger, [first, second])
    before = await _page(ledger, first)
    await ledger.answers.apart(answer.id)
    pages = await ledger.pages.of_jobs([first.id, second.id])

    assert pages[first.id].page.token == before.page.token != pages[second.id].page.token
    assert [file.job_id for file in pages[second.id].files] == [second.id]


async def test_private_answers_have_pages(ledger: SqlLedger) -> None:
    """A group that refuses an answer takes its page away."""
    job = await _done(ledger)
    answer = await ledger.answers.begin([job], None)
    before = await _page(ledger, job)
    await ledger.answers.redirect(answer.id, "refused")

    assert (await _page(ledger, job)).page.token != before.page.token
    assert await ledger.pages.find(before.page.token) is None


async def test_lowest_wish_holds_for_all(ledger: SqlLedger) -> None:
    """What was asked for with one file of an album holds for the album."""
    jobs = [await _done(ledger, Wishes(most_downloads=n)) for n in (5, None, 1)]
    await _answered(ledger, jobs)

    assert (await _page(ledger, jobs[0])).page.options.most_downloads == 1


async def test_downloads_are_used_up(ledger: SqlLedger) -> None:
    """Many at once get as many as are allowed, for each file; a file that is armed again gets
    them again.
    """
    first, second = await _done(ledger), await _done(ledger)
    await _answered(ledger, [first, second])
    page = (await _page(ledger, first)).page
    await ledger.pages.set_options(page.id, most_downloads=5)
    used = await asyncio.gather(*(ledger.pages.use(page.token, 1, at(1)) for _ in range(100)))
    found = await _page(ledger, first)
    await ledger.pages.rearm(page.id, first.id)

    assert [use.is_given for use in used].count(True) == 5
    assert [(file.downloads, file.used) for file in found.files] == [(5, 5), (0, 0)]
    assert (found.page.downloads, found.page.last_download_at) == (5, at(1))
    assert found.files[0].is_used_up(found.page.options)
    assert (await ledger.pages.use(page.token, 1, at(2))).is_given
    assert (await ledger.pages.use(page.token, 2, at(2))).is_given


async def test_nothing_is_used_of_what_is_closed(ledger: SqlLedger) -> None:
    """Not of a paused page, an unknown one, a file that it has not, one that has ended, or with
    another password than the present one.
    """
    job, page = await _shown(ledger)
    await _shown(ledger)
    await ledger.pages.set_options(page.page.id, is_paused=True)
    paused = await ledger.pages.use(page.page.token, 1, NOW)
    await ledger.pages.set_options(page.page.id, is_paused=False)
    strange = await ledger.pages.use(page.page.token, 2, NOW)
    late = await ledger.pages.use(page.page.token, 1, NOW + LIFETIME)
    unknown = await ledger.pages.use("x" * 22, 1, NOW)

    await ledger.pages.set_options(page.page.id, password_hash="new")
    locked = await ledger.pages.use(page.page.token, 1, NOW)
    other = await ledger.pages.use(page.page.token, 1, NOW, "old")
    uses = [paused, strange, late, unknown, locked, other]

    assert [use.is_given for use in uses] == [False] * 6
    assert (await ledger.pages.use(page.page.token, 1, NOW, "new")).is_given
    await ledger.pages.set_options(page.page.id, password_hash=None)
    assert (await ledger.pages.use(page.page.token, 1, NOW)).is_given
    await ledger.objects.revoke(job.id, at(1))
    assert not (await ledger.pages.use(page.page.token, 1, at(1))).is_given


async def test_other_downloads_are_counted(ledger: SqlLedger) -> None:
    """Those without a limit use up nothing; one of a file whose row was removed costs no other."""
    job, page = await _shown(ledger)
    gone = (page.page.id, job.id + 1000)
    await ledger.pages.count({(page.page.id, job.id): 3, gone: 1}, at(5))
    found = await _page(ledger, job)

    assert (found.files[0].downloads, found.files[0].used) == (3, 0)
    assert (found.page.downloads, found.page.last_download_at) == (3, at(5))


async def test_new_address(ledger: SqlLedger) -> None:
    """The old one is unknown at once, and the answer shows the new one."""
    _, page = await _shown(ledger)
    token = await ledger.pages.renew(page.page.id)

    assert await ledger.pages.find(page.page.token) is None
    assert (await ledger.pages.find(token)) is not None
    assert [stale.id for stale in await ledger.answers.stale(9)] == [page.page.answer_id]


async def test_end_is_moved(ledger: SqlLedger) -> None:
    """Earlier and later again, but not after a deletion, and not for the file of another page."""
    job, page = await _shown(ledger)
    other, _ = await _shown(ledger)
    sooner = {job.id: NOW + MINUTE, other.id: NOW + MINUTE}
    changed = await ledger.pages.end_at(page.page.id, sooner)
    ended = await _page(ledger, job)
    back = await ledger.pages.end_at(page.page.id, {job.id: NOW + LIFETIME})
    await ledger.objects.revoke(job.id, at(1))

    assert (changed, back) == (1, 1)
    assert ended.ended_at(NOW + MINUTE) == NOW + MINUTE
    assert (await _page(ledger, other)).files[0].stored.due_at == NOW + LIFETIME
    assert await ledger.pages.end_at(page.page.id, {job.id: NOW + LIFETIME}) == 0


async def test_answers_show_downloads_once_a_minute(ledger: SqlLedger) -> None:
    """However many there are, and the last ones too."""
    job, page = await _shown(ledger)
    one = {(page.page.id, job.id): 1}
    corrected = []
    for seconds in (0, 1, 59, 61, 200):
        if seconds < 60:
            await ledger.pages.count(one, at(seconds))
        corrected.append(await ledger.pages.show_downloads(at(seconds), 9))

    assert corrected == [1, 0, 0, 1, 0]
    assert (await _page(ledger, job)).page.shown_downloads == 3


@pytest.mark.parametrize(("tell", "expected"), [("off", 0), ("first", 1), ("each", 2)])
async def test_sender_is_told(ledger: SqlLedger, tell: str, expected: int) -> None:
    """Of nothing, the first download, or each; several at once are one notice."""
    job, page = await _shown(ledger)
    await ledger.pages.set_options(page.page.id, tell=Tell(tell).value)
    told = 0
    for seconds in (1, 2):
        await ledger.pages.count({(page.page.id, job.id): 2}, at(seconds))
        for found in await ledger.pages.to_tell(9):
            told += 1
            await ledger.pages.told(found.page.id, found.page.downloads)

    assert told == expected


async def test_live_pages(ledger: SqlLedger) -> None:
    """The newest first, without those whose files have all ended."""
    (_, first), (second, _), (_, third) = [await _shown(ledger) for _ in range(3)]
    await ledger.objects.revoke(second.id, NOW)

    assert await ledger.pages.live(9) == [third, first]


async def test_ended_pages_are_remembered_for_a_day(ledger: SqlLedger) -> None:
    """Since the earlier of its time and its deletion."""
    job, _ = await _shown(ledger)
    await ledger.objects.revoke(job.id, at(10))
    page = await _page(ledger, job)

    assert page.ended_at(at(9)) == at(10)
    assert not page.is_forgotten(at(10) + REMEMBERED_FOR - MINUTE)
    assert page.is_forgotten(at(10) + REMEMBERED_FOR)


async def test_wishes_are_kept(ledger: SqlLedger) -> None:
    """What was asked for with a file is stored with its job."""
    wishes = Wishes(timedelta(hours=1), 1)

    assert (await accept(ledger, wishes=wishes)).wishes == wishes
    assert (await accept(ledger)).wishes == Wishes()


async def test_page_of_a_command(ledger: SqlLedger) -> None:
    """A command's job has its answer before its object; its page is made once."""
    job, _ = await _shown(ledger)
    page = await _page(ledger, job)

    assert await ledger.pages.create(job.id) == page


async def test_removed_with_their_answers(ledger: SqlLedger) -> None:
    """Retention removes them; the newest stays as its answer does."""
    removed = []
    for _ in range(3):
        job, page = await _shown(ledger)
        await ledger.pages.count({(page.page.id, job.id): 1}, NOW)
        await ledger.objects.gone([page.files[0].stored.id], at(5))
        removed.append(page.page.token)
    await ledger.totals.remove_ended(at(100), at(200), 10)

    assert [await ledger.pages.find(token) is None for token in removed] == [True, True, False]


HOUR = timedelta(hours=1)


async def _album(ledger: SqlLedger, wishes: Wishes | None = None) -> Job:
    return await accept(ledger, wishes=wishes or Wishes(), album="9")


async def _due(ledger: SqlLedger, job: Job) -> timedelta:
    stored = (await ledger.objects.of_jobs([job.id]))[job.id]
    assert stored.completed_at is not None
    return stored.due_at - stored.completed_at


async def test_wishes_belong_to_the_album(ledger: SqlLedger) -> None:
    """The files before and after the one with the caption are held to it, in any state."""
    answered, done, running, waiting = [await _album(ledger) for _ in range(4)]
    other = await accept(ledger, album="10")
    await _finish(ledger, answered)
    await _finish(ledger, done)
    await _answered(ledger, [answered])
    claim = await ledger.jobs.claim(running.id, NOW)
    assert claim is not None
    stored = await plan(ledger, claim.job, mode=LinkMode.PAGE)
    await _album(ledger, Wishes(HOUR, 1))
    later = await _album(ledger)
    looser = await _album(ledger, Wishes(2 * HOUR, 5))
    result = Finished(1000, "", NOW + LIFETIME, NOW)
    assert await ledger.jobs.finish(claim.job, stored, result, NOW)

    assert [await _due(ledger, job) for job in (answered, done, claim.job)] == [HOUR] * 3
    assert (await _page(ledger, answered)).page.options.most_downloads == 1
    assert later.wishes == looser.wishes == Wishes(HOUR, 1)
    found = await ledger.jobs.get_many([done.id, running.id, waiting.id, other.id])
    assert [job.wishes for job in found] == [Wishes(HOUR, 1)] * 3 + [Wishes()]


async def test_an_end_that_was_chosen_stays(ledger: SqlLedger) -> None:
    """A wish makes no link live longer, and a file of another day is of another album."""
    first = await _album(ledger)
    await _finish(ledger, first, NOW + timedelta(minutes=10))
    await _album(ledger, Wishes(HOUR))
    origin = make_origin(album="9")
    late = await ledger.jobs.accept(origin, make_file("late.pdf"), NOW + 25 * HOUR)

    assert await _due(ledger, first) == timedelta(minutes=10)
    assert late is not None
    assert late.wishes == Wishes()


async def _finish(ledger: SqlLedger, job: Job, expires_at: datetime = NOW + LIFETIME) -> None:
    claim = await ledger.jobs.claim(job.id, NOW)
    assert claim is not None
    stored = await plan(ledger, claim.job, mode=LinkMode.PAGE)
    assert await ledger.jobs.finish(claim.job, stored, Finished(1000, "", expires_at, NOW), NOW)
