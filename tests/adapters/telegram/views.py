"""Views and their parts, as tests of wording need them."""

from datetime import UTC, datetime, timedelta

from bot.core.files import Link
from bot.core.ports.views import Answer, AnswerItem, ItemState, LiveLink

NOW = datetime(2026, 11, 24, 14, 25, 30, tzinfo=UTC)
LIFETIME = timedelta(hours=23, minutes=55)
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
URL = "https://bucket.example/relay/42/token/report.pdf?x-oss-signature=abc&x-oss-expires=86100"


def make_link(url: str = URL, *, left: timedelta = LIFETIME) -> Link:
    """Return a link that still has some time."""
    return Link(url, NOW + left)


def live(job_id: int = 7, name: str = "report.pdf", *, link: Link | None = None) -> AnswerItem:
    """Return a job that succeeded."""
    return AnswerItem(
        job_id,
        name,
        ItemState.LIVE,
        link=link or make_link(),
        size=13_002_342,
        sha256=SHA256,
    )


def ended(state: ItemState, *, code: str | None = None, **args: int) -> AnswerItem:
    """Return a job that has no link (any more)."""
    return AnswerItem(8, "other.zip", state, code=code, args=args)


def answer(*items: AnswerItem) -> Answer:
    """Return an answer at `NOW`."""
    return Answer(items, NOW)


def live_link(job_id: int, name: str = "report.pdf") -> LiveLink:
    """Return a link as an overview lists it."""
    return LiveLink(job_id=job_id, name=name, size=13_002_342, link=make_link())
