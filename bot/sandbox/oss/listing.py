"""Lists of objects, versions, multipart uploads and parts, page by page."""

import base64
import binascii
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from bot.sandbox.oss.authentication import timestamp
from bot.sandbox.oss.call import Call
from bot.sandbox.oss.errors import invalid_argument
from bot.sandbox.oss.model import Answer, Bucket, MultipartUpload, Part, StoredObject, xml_answer
from bot.sandbox.oss.multipart import find_pending
from bot.sandbox.oss.request import OssRequest
from bot.sandbox.oss.versions import NULL
from bot.sandbox.oss.xml import Node, document, encoded

_T = TypeVar("_T")

_NAMES = {
    "prefix": "Prefix",
    "start-after": "StartAfter",
    "delimiter": "Delimiter",
    "continuation-token": "ContinuationToken",
    "marker": "Marker",
    "key-marker": "KeyMarker",
    "upload-id-marker": "UploadIdMarker",
}
_OPTIONAL = {"start-after", "continuation-token"}


@dataclass
class Page(Generic[_T]):
    """One page: entries and common prefixes together are at most the limit. `last` is the key or
    prefix after which the next page starts.
    """

    entries: list[_T] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    is_truncated: bool = False
    last: str = ""

    def __len__(self) -> int:
        return len(self.entries) + len(self.prefixes)


def limit_of(request: OssRequest, name: str, default: int) -> int:
    """Return a page size from 1 to 1,000.

    Raises:
        OssError: it is not such a number.
    """
    text = request.query(name)
    if not text:
        return default
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 1000:
        return int(text)
    raise invalid_argument(f"The {name} must be between 1 and 1000.", name, text)


def fill_page(
    entries: Iterable[tuple[str, _T]], prefix: str, delimiter: str, after: str, limit: int
) -> Page[_T]:
    """Collect one page from entries that are sorted by key and start after `after`."""
    page: Page[_T] = Page()
    for key, entry in entries:
        group = _group(key, prefix, delimiter)
        if group and (group in page.prefixes or group == after):
            continue
        if len(page) == limit:
            page.is_truncated = True
            break
        if group:
            page.prefixes.append(group)
        else:
            page.entries.append(entry)
        page.last = group or key
    return page


def _group(key: str, prefix: str, delimiter: str) -> str:
    """Return the common prefix that a key falls into, or nothing."""
    if not delimiter:
        return ""
    end = key.find(delimiter, len(prefix))
    return key[: end + len(delimiter)] if end >= 0 else ""


def repeated_parameters(call: Call, encoding: str, names: Sequence[str]) -> list[Node]:
    """Return the elements that repeat request parameters; those of `_OPTIONAL` only if given.

    Source: oss2 2.18.4 fails where one of the others is missing.
    """
    nodes: list[Node] = [("Name", call.bucket.name)]
    if encoding:
        nodes.append(("EncodingType", encoding))
    asked = [
        (_NAMES[name], call.request.query(name))
        for name in names
        if call.request.has(name) or name not in _OPTIONAL
    ]
    return nodes + encoded(asked, encoding)


def flag(value: object) -> str:
    """Return a truth value as OSS writes it."""
    return "true" if value else "false"


def _objects_after(bucket: Bucket, prefix: str, after: str) -> Iterator[tuple[str, StoredObject]]:
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
    nodes = repeated_parameters(
        call, encoding, ["prefix", "start-after", "delimiter", "continuation-token"]
    )
    nodes += [("MaxKeys", str(limit)), ("KeyCount", str(len(page)))]
    nodes += [("IsTruncated", flag(page.is_truncated))]
    if page.is_truncated:
        nodes.append(("NextContinuationToken", _token(page.last)))
    owner = call.bucket.owner if request.query("fetch-owner").lower() == "true" else ""
    nodes += _contents(page, encoding, owner)
    return xml_answer(document("ListBucketResult", nodes))


async def list_objects(call: Call) -> Answer:
    """ListObjects, the older list: pages by marker, the owner with every entry."""
    request = call.request
    prefix, delimiter = request.query("prefix"), request.query("delimiter")
    marker = request.query("marker")
    limit = limit_of(request, "max-keys", 100)
    page = fill_page(_objects_after(call.bucket, prefix, marker), prefix, delimiter, marker, limit)
    encoding = request.query("encoding-type")
    nodes = repeated_parameters(call, encoding, ["prefix", "marker", "delimiter"])
    nodes += [("MaxKeys", str(limit)), ("IsTruncated", flag(page.is_truncated))]
    if page.is_truncated:
        nodes += encoded([("NextMarker", page.last)], encoding)
    nodes += _contents(page, encoding, call.bucket.owner)
    return xml_answer(document("ListBucketResult", nodes))


def _contents(page: Page[StoredObject], encoding: str, owner: str) -> list[Node]:
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


def _token(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _from_token(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token.encode()).decode()
    except (binascii.Error, UnicodeError) as error:
        message = "The continuation token provided is incorrect."
        raise invalid_argument(message, "continuation-token", token) from error


async def list_object_versions(call: Call) -> Answer:
    """ListObjectVersions: by key, the newest version of each key first."""
    request = call.request
    prefix, delimiter = request.query("prefix"), request.query("delimiter")
    limit = limit_of(request, "max-keys", 100)
    marker, id_marker = request.query("key-marker"), request.query("version-id-marker")
    entries = list(_versions(call.bucket, prefix, marker, id_marker))
    page = fill_page(
        ((stored.key, (stored, latest)) for stored, latest in entries),
        prefix,
        delimiter,
        marker,
        limit,
    )
    encoding = request.query("encoding-type")
    nodes = repeated_parameters(call, encoding, ["prefix", "delimiter", "key-marker"])
    nodes += [
        ("VersionIdMarker", id_marker),
        ("MaxKeys", str(limit)),
        ("IsTruncated", flag(page.is_truncated)),
    ]
    if page.is_truncated:
        is_version = page.entries and page.entries[-1][0].key == page.last
        last_id = page.entries[-1][0].version_id or NULL if is_version else ""
        nodes += encoded([("NextKeyMarker", page.last)], encoding)
        nodes.append(("NextVersionIdMarker", last_id))
    owner: Node = ("Owner", [("ID", call.bucket.owner), ("DisplayName", call.bucket.owner)])
    nodes += [_entry(stored, encoding, owner, latest=latest) for stored, latest in page.entries]
    nodes += [("CommonPrefixes", encoded([("Prefix", p)], encoding)) for p in page.prefixes]
    return xml_answer(document("ListVersionsResult", nodes))


def _versions(
    bucket: Bucket, prefix: str, marker: str, id_marker: str
) -> Iterator[tuple[StoredObject, bool]]:
    """Yield versions and whether each is the latest, after the markers."""
    keys = {key for key in [*bucket.objects, *bucket.older] if key.startswith(prefix)}
    for key in sorted(keys, key=str.encode):
        if key.encode() < marker.encode() or (key == marker and not id_marker):
            continue
        history = [*bucket.older.get(key, [])]
        history += [bucket.objects[key]] if key in bucket.objects else []
        versions = [(stored, n == 0) for n, stored in enumerate(reversed(history))]
        if key == marker:
            ids = [stored.version_id or NULL for stored, _ in versions]
            versions = versions[ids.index(id_marker) + 1 :] if id_marker in ids else []
        yield from versions


def _entry(stored: StoredObject, encoding: str, owner: Node, *, latest: bool) -> Node:
    nodes: list[Node] = [
        *encoded([("Key", stored.key)], encoding),
        ("VersionId", stored.version_id or NULL),
        ("IsLatest", flag(latest)),
        ("LastModified", timestamp(stored.last_modified)),
        owner,
    ]
    if stored.is_marker:
        return ("DeleteMarker", nodes)
    nodes += [
        ("ETag", f'"{stored.etag}"'),
        ("Type", stored.kind),
        ("Size", str(stored.size)),
        ("StorageClass", stored.headers["x-oss-storage-class"]),
    ]
    return ("Version", nodes)


async def list_multipart_uploads(call: Call) -> Answer:
    """ListMultipartUploads, by key and then by upload id."""
    request = call.request
    prefix, delimiter = request.query("prefix"), request.query("delimiter")
    limit = limit_of(request, "max-uploads", 1000)
    marker = request.query("key-marker")
    uploads = _uploads_after(call.bucket, prefix, marker, request.query("upload-id-marker"))
    page = fill_page(uploads, prefix, delimiter, marker, limit)
    encoding = request.query("encoding-type")
    nodes = repeated_parameters(
        call, encoding, ["prefix", "delimiter", "key-marker", "upload-id-marker"]
    )
    nodes[0] = ("Bucket", call.bucket.name)
    nodes += [("MaxUploads", str(limit)), ("IsTruncated", flag(page.is_truncated))]
    nodes += encoded([("NextKeyMarker", page.last)], encoding)
    is_upload = page.entries and page.entries[-1].key == page.last
    nodes.append(("NextUploadIdMarker", page.entries[-1].upload_id if is_upload else ""))
    nodes += [_upload(pending, encoding) for pending in page.entries]
    nodes += [("CommonPrefixes", encoded([("Prefix", p)], encoding)) for p in page.prefixes]
    return xml_answer(document("ListMultipartUploadsResult", nodes))


def _uploads_after(
    bucket: Bucket, prefix: str, marker: str, id_marker: str
) -> Iterator[tuple[str, MultipartUpload]]:
    """Yield uploads after the markers; the id marker counts only together with a key marker."""
    for pending in sorted(bucket.uploads.values(), key=lambda p: (p.key.encode(), p.upload_id)):
        key = pending.key.encode()
        is_later_id = bool(id_marker) and pending.key == marker and pending.upload_id > id_marker
        if pending.key.startswith(prefix) and (key > marker.encode() or is_later_id):
            yield pending.key, pending


def _upload(pending: MultipartUpload, encoding: str) -> Node:
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
        ("IsTruncated", flag(len(parts) > limit)),
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
