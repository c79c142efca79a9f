"""Lists: objects, pending uploads, parts; page by page."""

import base64
import binascii
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from bot.sandbox.oss.authentication import timestamp
from bot.sandbox.oss.call import Call
from bot.sandbox.oss.errors import invalid_argument
from bot.sandbox.oss.model import Answer, Bucket, Part, Pending, Stored, xml_answer
from bot.sandbox.oss.multipart import find_pending
from bot.sandbox.oss.pages import Page, fill_page, limit_of
from bot.sandbox.oss.xml import Node, document, encoded


def _objects_after(bucket: Bucket, prefix: str, after: str) -> Iterator[tuple[str, Stored]]:
    """Yield the objects below `prefix` in the order of their bytes."""
    keys = sorted((key for key in bucket.objects if key.startswith(prefix)), key=str.encode)
    start = bisect_right(keys, after.encode(), key=str.encode)
    for key in keys[start:]:
        yield key, bucket.objects[key]


async def list_objects_v2(call: Call) -> Answer:
    """ListObjectsV2."""
    request = call.request
    prefix, delimiter = request.query("prefix"), request.query("delimiter")
    after = _from_token(request.query("continuation-token")) or request.query("start-after")
    limit = limit_of(request, "max-keys", 100)
    page = fill_page(_objects_after(call.bucket, prefix, after), prefix, delimiter, after, limit)
    encoding = request.query("encoding-type")
    nodes = _head(call, encoding, ["prefix", "start-after", "delimiter", "continuation-token"])
    nodes += [("MaxKeys", str(limit)), ("KeyCount", str(len(page)))]
    nodes += [("IsTruncated", _flag(page.is_truncated))]
    if page.is_truncated:
        nodes.append(("NextContinuationToken", _token(page.last)))
    owner = call.bucket.owner if request.query("fetch-owner").lower() == "true" else ""
    nodes += _contents(page, encoding, owner)
    return xml_answer(document("ListBucketResult", nodes))


_NAMES = {
    "prefix": "Prefix",
    "start-after": "StartAfter",
    "delimiter": "Delimiter",
    "continuation-token": "ContinuationToken",
    "marker": "Marker",
    "key-marker": "KeyMarker",
    "upload-id-marker": "UploadIdMarker",
}


def _head(call: Call, encoding: str, names: Sequence[str]) -> list[Node]:
    """Return the elements that repeat what was asked."""
    nodes: list[Node] = [("Name", call.bucket.name)]
    if encoding:
        nodes.append(("EncodingType", encoding))
    asked = [(_NAMES[name], call.request.query(name)) for name in names if call.request.has(name)]
    if "Prefix" not in dict(asked):
        asked.append(("Prefix", ""))
    return nodes + encoded(asked, encoding)


def _contents(page: Page[Stored], encoding: str, owner: str) -> list[Node]:
    nodes: list[Node] = []
    for stored in page.entries:
        entry: list[Node] = [
            *encoded([("Key", stored.key)], encoding),
            ("LastModified", timestamp(stored.last_modified)),
            ("ETag", f'"{stored.etag}"'),
            ("Type", stored.kind),
            ("Size", str(stored.size)),
            ("StorageClass", stored.headers["x-oss-storage-class"]),
        ]
        if owner:
            entry.append(("Owner", [("ID", owner), ("DisplayName", owner)]))
        nodes.append(("Contents", entry))
    nodes += [("CommonPrefixes", encoded([("Prefix", p)], encoding)) for p in page.prefixes]
    return nodes


def _flag(value: object) -> str:
    return "true" if value else "false"


def _token(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _from_token(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token.encode()).decode()
    except (binascii.Error, UnicodeError) as error:
        message = "The continuation token provided is incorrect."
        raise invalid_argument(message, "continuation-token", token) from error


async def list_multipart_uploads(call: Call) -> Answer:
    """ListMultipartUploads, by key and then by upload id."""
    request = call.request
    prefix, delimiter = request.query("prefix"), request.query("delimiter")
    limit = limit_of(request, "max-uploads", 1000)
    marker = request.query("key-marker")
    uploads = _uploads_after(call.bucket, prefix, marker, request.query("upload-id-marker"))
    page = fill_page(uploads, prefix, delimiter, marker, limit)
    encoding = request.query("encoding-type")
    nodes = _head(call, encoding, ["prefix", "delimiter", "key-marker", "upload-id-marker"])
    nodes[0] = ("Bucket", call.bucket.name)
    nodes += [("MaxUploads", str(limit)), ("IsTruncated", _flag(page.is_truncated))]
    if page.is_truncated:
        nodes += encoded([("NextKeyMarker", page.last)], encoding)
        is_upload = page.entries and page.entries[-1].key == page.last
        nodes.append(("NextUploadIdMarker", page.entries[-1].upload_id if is_upload else ""))
    nodes += [_upload(pending, encoding) for pending in page.entries]
    nodes += [("CommonPrefixes", encoded([("Prefix", p)], encoding)) for p in page.prefixes]
    return xml_answer(document("ListMultipartUploadsResult", nodes))


def _uploads_after(
    bucket: Bucket, prefix: str, marker: str, id_marker: str
) -> Iterator[tuple[str, Pending]]:
    """Yield uploads after the markers; the id marker counts only together with a key marker."""
    for pending in sorted(bucket.uploads.values(), key=lambda p: (p.key.encode(), p.upload_id)):
        key = pending.key.encode()
        is_later_id = bool(id_marker) and pending.key == marker and pending.upload_id > id_marker
        if pending.key.startswith(prefix) and (key > marker.encode() or is_later_id):
            yield pending.key, pending


def _upload(pending: Pending, encoding: str) -> Node:
    return (
        "Upload",
        [
            *encoded([("Key", pending.key)], encoding),
            ("UploadId", pending.upload_id),
            ("StorageClass", pending.headers["x-oss-storage-class"]),
            ("Initiated", timestamp(pending.initiated_at)),
        ],
    )


async def list_parts(call: Call) -> Answer:
    """ListParts: number, size, ETag and CRC of each part that has arrived."""
    request = call.request
    pending = find_pending(call)
    limit = limit_of(request, "max-parts", 1000)
    marker = request.query("part-number-marker") or "0"
    if not marker.isdigit():
        raise invalid_argument(
            "part-number-marker must be a number.", "part-number-marker", marker
        )
    parts = [pending.parts[number] for number in sorted(pending.parts) if number > int(marker)]
    shown = parts[:limit]
    encoding = request.query("encoding-type")
    nodes: list[Node] = [("EncodingType", encoding)] if encoding else []
    nodes += [
        ("Bucket", call.bucket.name),
        *encoded([("Key", pending.key)], encoding),
        ("UploadId", pending.upload_id),
        ("StorageClass", pending.headers["x-oss-storage-class"]),
        ("PartNumberMarker", marker),
        ("NextPartNumberMarker", str(shown[-1].number) if shown else marker),
        ("MaxParts", str(limit)),
        ("IsTruncated", _flag(len(parts) > limit)),
        *(_part(part) for part in shown),
    ]
    return xml_answer(document("ListPartsResult", nodes))


def _part(part: Part) -> Node:
    return (
        "Part",
        [
            ("PartNumber", str(part.number)),
            ("LastModified", timestamp(part.uploaded_at)),
            ("ETag", f'"{part.etag}"'),
            ("HashCrc64ecma", str(part.crc64)),
            ("Size", str(part.size)),
        ],
    )
