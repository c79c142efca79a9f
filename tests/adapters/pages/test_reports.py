"""Reports of pages: who is told, and how often."""

from datetime import timedelta
from typing import Any

import pytest

from bot.core.ports.ledger import OutboxKind, OutboxMessage
from bot.core.ports.pages import PageContent
from bot.inbound.pages import REPORTED_EVERY
from tests.adapters.pages.site import ADMIN, BROWSER, CURL, Answer, Site, path_of


async def report(site: Site, content: PageContent, visitor: str = "203.0.113.1") -> Answer:
    """Press the button."""
    return await site.ask(
        path_of(content, "/report"), "POST", data=b"why=words", X_Forwarded_For=visitor
    )


async def posted(site: Site) -> list[OutboxMessage]:
    """What the admins will be told."""
    return list((await site.ledger.outbox.pending_work(100)).messages)


async def test_admins_are_told_without_words_of_the_visitor(site: Site) -> None:
    """The message names the job; the page thanks and offers no second report."""
    content = await site.page(name="words of a stranger.pdf")
    before = await site.ask(path_of(content))
    answer = await report(site, content)
    (message,) = await posted(site)

    assert f'action="{path_of(content)}/report"' in before.text
    assert (answer.status, "The admins have been told" in answer.text) == (200, True)
    assert '/report"' not in answer.text
    assert (message.kind, message.chat_id) == (OutboxKind.PAGE, ADMIN)
    assert message.payload == {"show": "report", "job": content.files[0].job_id}


async def test_reports_of_one_page_are_bounded(site: Site) -> None:
    """Many visitors make one message in some hours."""
    content = await site.page()
    answers = [await report(site, content, f"203.0.113.{number}") for number in range(20)]
    first = await posted(site)
    site.clock.advance(REPORTED_EVERY)
    await report(site, content)

    assert {answer.status for answer in answers} == {200}
    assert (len(first), len(await posted(site))) == (1, 2)


async def test_reports_of_one_visitor_are_bounded(site: Site) -> None:
    """Also from one IPv6 network; another visitor is heard."""
    pages = [await site.page() for _ in range(5)]
    answers = [
        await report(site, page, f"2001:db8:1:2::{number}") for number, page in enumerate(pages)
    ]
    other = await report(site, pages[4], "2001:db8:1:3::1")
    count = len(await posted(site))
    site.clock.advance(timedelta(minutes=10))
    again = await report(site, pages[3], "2001:db8:1:2::9")

    assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[3].headers["Retry-After"] == "600"
    assert (other.status, count, again.status) == (200, 4, 200)


@pytest.mark.parametrize(
    ("options", "status"), [({"is_paused": True}, 423), ({"password_hash": "x"}, 200)]
)
async def test_only_what_can_be_seen_is_reported(
    site: Site, options: dict[str, Any], status: int
) -> None:
    """A page that shows nothing has no such button, and takes no report."""
    content = await site.page(**options)
    answer = await report(site, content)

    assert (answer.status, '/report"' in answer.text) == (status, False)
    assert not await posted(site)


async def test_without_admins_nothing_is_offered(site: Site) -> None:
    """The address is one that is not there."""
    site.visits.reports = None
    content = await site.page()
    page = await site.ask(path_of(content))
    answer = await report(site, content)

    assert (page.status, '/report"' in page.text, answer.status) == (200, False, 404)


async def test_programs_and_other_sites(site: Site) -> None:
    """A program gets a text; another site cannot report in the name of its visitors."""
    content = await site.page()
    text = await site.ask(path_of(content, "/report"), "POST", client=CURL)
    foreign = await site.ask(
        path_of(content, "/report"), "POST", client={**BROWSER, "Sec-Fetch-Site": "cross-site"}
    )

    assert (text.status, text.text) == (200, "The admins have been told. Thank you.\n")
    assert foreign.status == 403
