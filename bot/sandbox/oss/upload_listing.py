"""Lists of pending uploads and of their parts; page by page."""

from collections.abc import Iterator

from bot.sandbox.oss.authentication import timestamp
from bot.sandbox.oss.call import Call
from bot.sandbox.oss.errors import invalid_argument
from bot.sandbox.oss.model import Answer, Bucket, Part, Pending, xml_answer
from bot.sandbox.oss.multipart import find_pending
from bot.sandbox.oss.pages import asked_for, fill_page, flag, limit_of
from bot.sandbox.oss.xml import Node, document, encoded


async def list_multipart_uploads(call: Call) -> Answer:
    """ListMultipartUploads, by key and then by upload id."""
    request = call.request
    prefix, delimiter = request.query("prefix"), request.query("delimiter")
    limit = limit_of(request, "max-uploads", 1000)
    marker = request.query("key-marker")
    uploads = _uploads_after(call.bucket, prefix, marker, request.query("upload-id-marker"))
    page = fill_page(uploads, prefix, delimiter, marker, limit)
    encoding = request.query("encoding-type")
    nodes = asked_for(call, encoding, ["prefix", "delimiter", "key-marker", "upload-id-marker"])
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
