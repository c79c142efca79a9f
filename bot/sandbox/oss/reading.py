"""Read objects: content, ranges, headers, conditions."""

import re
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from bot.sandbox.oss.call import Call
from bot.sandbox.oss.errors import OssError, archived
from bot.sandbox.oss.model import Answer, AuthMethod, StoredObject
from bot.sandbox.oss.request import OssRequest

_OVERRIDES = {
    "response-content-type": "Content-Type",
    "response-content-language": "Content-Language",
    "response-expires": "Expires",
    "response-cache-control": "Cache-Control",
    "response-content-disposition": "Content-Disposition",
    "response-content-encoding": "Content-Encoding",
}
_BLOCKED_TYPES = {"application/vnd.android.package-archive", "application/iphone"}
_BLOCKED_SUFFIXES = (".apk", ".ipa")


async def get_object(call: Call) -> Answer:
    """GetObject."""
    stored = call.stored()
    if stored.headers.get("x-oss-storage-class", "").endswith("Archive"):
        raise archived(stored.key)
    headers = _headers(stored) | _overrides(call)
    _check_package(call, stored, headers)
    _force_download(call, headers)
    if not is_modified(call.request, stored):
        return Answer(304, headers)
    span = _span(call.request, stored.size)
    if span is None:
        return Answer(200, headers, data=stored.data, count=stored.size)
    start, end = span
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{stored.size}"
    return Answer(206, headers, data=stored.data, start=start, count=end - start)


async def head_object(call: Call) -> Answer:
    """HeadObject."""
    stored = call.stored()
    headers = _headers(stored)
    if not is_modified(call.request, stored):
        return Answer(304, headers)
    return Answer(200, headers, data=stored.data, count=stored.size)


async def get_object_meta(call: Call) -> Answer:
    """GetObjectMeta: only ETag, Last-Modified and the length."""
    stored = call.stored()
    kept = {"ETag", "Last-Modified", "x-oss-hash-crc64ecma"}
    headers = {name: value for name, value in _headers(stored).items() if name in kept}
    return Answer(200, headers, data=stored.data, count=stored.size)


def http_date(moment: datetime) -> str:
    """Return a time as headers write it."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def _headers(stored: StoredObject) -> dict[str, str]:
    headers = {name: value for name, value in stored.headers.items() if name != "x-oss-tagging"}
    if tags := stored.headers.get("x-oss-tagging"):
        headers["x-oss-tagging-count"] = str(tags.count("=") or 1)
    if stored.version_id:
        headers["x-oss-version-id"] = stored.version_id
    return headers | {
        "ETag": f'"{stored.etag}"',
        "Last-Modified": http_date(stored.last_modified),
        "Accept-Ranges": "bytes",
        "x-oss-object-type": stored.kind,
        "x-oss-hash-crc64ecma": str(stored.crc64),
        "x-oss-server-time": "1",
    }


def _overrides(call: Call) -> dict[str, str]:
    """Return the headers that the query replaces; only signed requests may, and never the type.

    Raises:
        OssError: InvalidRequest. Source: OSS documentation, 0017-00000902.
    """
    asked = {
        header: call.request.query(name)
        for name, header in _OVERRIDES.items()
        if call.request.query(name)
    }
    if asked and call.caller.auth is AuthMethod.ANONYMOUS:
        message = "response-* parameters are only allowed in signed requests."
        raise OssError(400, "InvalidRequest", message)
    if "Content-Type" in asked:
        message = "Can not override response header on content-type"
        raise OssError(400, "InvalidRequest", message, "0017-00000902")
    return asked


def _check_package(call: Call, stored: StoredObject, headers: dict[str, str]) -> None:
    """Refuse phone packages on the default domain (OSS documentation, 0048-00000203)."""
    if call.caller.auth is AuthMethod.HEADER or not call.request.address.is_default_domain:
        return
    types = {headers["Content-Type"].partition(";")[0].strip().lower()}
    if types & _BLOCKED_TYPES or stored.key.lower().endswith(_BLOCKED_SUFFIXES):
        message = "Downloading APK or IPA files through the default domain is forbidden."
        raise OssError(400, "ApkDownloadForbidden", message, "0048-00000203")


def _force_download(call: Call, headers: dict[str, str]) -> None:
    """Make browsers save the file, as the default domain does (0048-00000101, 0048-00000114)."""
    if call.caller.auth is AuthMethod.HEADER or not call.request.address.is_default_domain:
        return
    if call.world.forces_download:
        headers["x-oss-force-download"] = "true"
        if not headers.get("Content-Disposition", "").lower().startswith("attachment"):
            headers["Content-Disposition"] = "attachment"


def _span(request: OssRequest, size: int) -> tuple[int, int] | None:
    """Return the range to send as `[start, end)`, or `None` for the whole object.

    Without `x-oss-range-behavior: standard` a range that does not lie within the object is
    ignored. Source: OSS documentation, "GetObject".

    Raises:
        OssError: InvalidRange, with standard behaviour only.
    """
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", request.header("range").strip())
    if not match or not any(match.groups()):
        return None
    standard = request.header("x-oss-range-behavior") == "standard"
    start, end = _edges(match[1], match[2], size)
    if start >= end and match[1] and match[2] and int(match[1]) > int(match[2]):
        return None
    if 0 <= start < end <= size:
        return start, end
    if not standard:
        return None
    start, end = max(start, 0), min(end, size)
    if start < end:
        return start, end
    message = "The requested range cannot be satisfied."
    details = {"ActualObjectSize": str(size), "RangeRequested": request.header("range")}
    raise OssError(
        416, "InvalidRange", message, details=details, headers={"Content-Range": f"bytes */{size}"}
    )


def _edges(first: str, last: str, size: int) -> tuple[int, int]:
    """Return `[start, end)` as asked for; either may lie outside of the object."""
    if not first:
        return size - int(last), size
    return int(first), int(last) + 1 if last else max(size, int(first))


def read_date(text: str) -> datetime | None:
    """Return the time in a header; one that cannot be parsed counts as absent."""
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def precondition_failed() -> OssError:
    """Return the 412 for a condition that does not hold."""
    message = "At least one of the pre-conditions you specified did not hold."
    return OssError(412, "PreconditionFailed", message)


def is_modified(request: OssRequest, stored: StoredObject) -> bool:
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
