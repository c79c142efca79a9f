"""Conditions of requests: dates and ETags that must hold or must not."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from bot.sandbox.oss.errors import OssError
from bot.sandbox.oss.model import Stored
from bot.sandbox.oss.request import OssRequest


def read_date(text: str) -> datetime | None:
    """Return the moment of a header; one that cannot be read counts as absent."""
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def precondition_failed() -> OssError:
    """Return the 412 for a condition that does not hold."""
    message = "At least one of the pre-conditions you specified did not hold."
    return OssError(412, "PreconditionFailed", message)


def is_modified(request: OssRequest, stored: Stored) -> bool:
    """Check the conditions of a read; `False` means that the client's copy is still good.

    Raises:
        OssError: PreconditionFailed.
    """
    etag = request.header("if-match").strip('"')
    until = read_date(request.header("if-unmodified-since"))
    modified = stored.last_modified.replace(microsecond=0)
    if (etag and etag != stored.etag) or (until and modified > until):
        raise precondition_failed()
    if request.header("if-none-match").strip('"') == stored.etag:
        return False
    since = read_date(request.header("if-modified-since"))
    return not (since and modified <= since)
