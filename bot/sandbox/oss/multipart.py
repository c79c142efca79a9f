"""Multipart uploads: initiate, upload part, complete, abort.

Parts become segments of the object, so that completing moves no bytes.
"""

import hashlib
from collections.abc import Sequence
from itertools import pairwise
from urllib.parse import quote

from bot.sandbox.oss.call import Call, content_md5
from bot.sandbox.oss.crc64 import combine
from bot.sandbox.oss.disk import ObjectData, Segment
from bot.sandbox.oss.errors import (
    OssError,
    file_exists,
    invalid_argument,
    malformed_xml,
    no_such_upload,
)
from bot.sandbox.oss.model import Answer, MultipartUpload, Part, StoredObject, xml_answer
from bot.sandbox.oss.objects import forbids_overwrite, kept_headers, object_acl, written_headers
from bot.sandbox.oss.versions import store
from bot.sandbox.oss.world import new_id
from bot.sandbox.oss.xml import Node, document, encoded, parse

MAX_PARTS = 10_000
MIN_PART = 100 * 1024
"""Bytes; checked at Complete, the last part is exempt (OSS documentation, 0042-00000213)."""


async def initiate(call: Call) -> Answer:
    """InitiateMultipartUpload."""
    request = call.request
    pending = MultipartUpload(
        call.key,
        new_id(),
        call.world.now(),
        kept_headers(call),
        object_acl(call),
        forbids_overwrite(request),
    )
    await call.read_document()
    call.bucket.uploads[pending.upload_id] = pending
    encoding = request.query("encoding-type")
    nodes: list[Node] = [("EncodingType", encoding)] if encoding else []
    nodes += [
        ("Bucket", call.bucket.name),
        *encoded([("Key", call.key)], encoding),
        ("UploadId", pending.upload_id),
    ]
    return xml_answer(document("InitiateMultipartUploadResult", nodes))


def find_pending(call: Call) -> MultipartUpload:
    """Return the upload that a request names.

    Raises:
        OssError: NoSuchUpload, also where the id belongs to another key.
    """
    upload_id = call.request.query("uploadId")
    pending = call.bucket.uploads.get(upload_id)
    if pending is None or pending.key != call.key:
        raise no_such_upload(upload_id)
    return pending


def part_number(text: str) -> int:
    """Return a part number from 1 to 10,000.

    Raises:
        OssError: it is not such a number.
    """
    if text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_PARTS:
        return int(text)
    message = "Part number must be an integer between 1 and 10000, inclusive."
    raise invalid_argument(message, "PartNumber", text, "0017-00000220")


async def upload_part(call: Call) -> Answer:
    """UploadPart; a number sent twice replaces the part."""
    number = part_number(call.request.query("partNumber"))
    find_pending(call)
    part = store_part(call, number, await call.receive())
    headers = {"ETag": f'"{part.etag}"', "x-oss-hash-crc64ecma": str(part.crc64)}
    return Answer(200, headers | content_md5(part.segment))


def store_part(call: Call, number: int, segment: Segment) -> Part:
    """Add a part that has arrived; it replaces an older one with its number.

    Raises:
        OssError: NoSuchUpload, because the upload has ended while the bytes arrived.
    """
    try:
        pending = find_pending(call)
    except OssError:
        call.world.storage.discard(ObjectData([segment]))
        raise
    old = pending.parts.get(number)
    part = Part(number, segment, call.world.now())
    pending.parts[number] = part
    if old is not None:
        call.world.storage.discard(ObjectData([old.segment]))
    return part


async def abort(call: Call) -> Answer:
    """AbortMultipartUpload. A part still being received is refused at its end."""
    pending = find_pending(call)
    call.world.drop_upload(call.bucket, pending.upload_id, kept=frozenset())
    return Answer(204)


async def complete(call: Call) -> Answer:
    """CompleteMultipartUpload. Once the body has arrived, a disconnect does not stop it."""
    find_pending(call)
    body = await call.read_document()
    pending = find_pending(call)
    parts = _selected_parts(call, pending, body)
    if (forbids_overwrite(call.request) or pending.forbids_overwrite) and (
        call.key in call.bucket.objects
    ):
        raise file_exists(call.key)
    stored = _assemble(call, pending, parts)
    kept = frozenset(part.number for part in parts)
    call.world.drop_upload(call.bucket, pending.upload_id, kept=kept)
    store(call.world, call.bucket, stored)
    return _completed(call, stored)


def _selected_parts(call: Call, pending: MultipartUpload, body: bytes) -> list[Part]:
    """Return the parts of the object, checked.

    Raises:
        OssError: MalformedXML, InvalidPartOrder, InvalidPart, EntityTooSmall.
    """
    if call.request.header("x-oss-complete-all").lower() == "yes":
        if body:
            message = "The request body must be empty with x-oss-complete-all."
            raise OssError(400, "InvalidArgument", message)
        parts = [pending.parts[number] for number in sorted(pending.parts)]
    else:
        parts = [_match(pending, number, etag) for number, etag in _listed(body)]
    if not parts:
        raise malformed_xml("0042-00000205")
    _check_sizes(parts)
    return parts


def _listed(body: bytes) -> list[tuple[int, str]]:
    try:
        tree = parse(body, "CompleteMultipartUpload")
    except ValueError as error:
        raise malformed_xml("0042-00000205") from error
    listed = [
        (part_number((part.findtext("PartNumber") or "").strip()), part.findtext("ETag") or "")
        for part in tree.findall("Part")
    ]
    numbers = [number for number, _ in listed]
    if any(left >= right for left, right in pairwise(numbers)):
        message = (
            "The list of parts was not in ascending order. "
            "Parts list must specified in order by part number."
        )
        raise OssError(400, "InvalidPartOrder", message)
    return listed


def _match(pending: MultipartUpload, number: int, etag: str) -> Part:
    part = pending.parts.get(number)
    if part is not None and part.etag == etag.strip().strip('"').upper():
        return part
    message = (
        "One or more of the specified parts could not be found or "
        "the specified entity tag might not have matched the part's entity tag."
    )
    details = {"UploadId": pending.upload_id, "PartNumber": str(number), "ETag": etag}
    raise OssError(400, "InvalidPart", message, details=details)


def _check_sizes(parts: Sequence[Part]) -> None:
    for part in parts[:-1]:
        if part.size < MIN_PART:
            details = {
                "PartNumber": str(part.number),
                "ETag": part.etag,
                "MinSizeAllowed": str(MIN_PART),
                "ProposedSize": str(part.size),
            }
            message = "Your proposed upload is smaller than the minimum allowed size."
            raise OssError(400, "EntityTooSmall", message, "0042-00000213", details)


def _assemble(call: Call, pending: MultipartUpload, parts: Sequence[Part]) -> StoredObject:
    acl = object_acl(call)
    digest = hashlib.md5(
        b"".join(bytes.fromhex(part.etag) for part in parts), usedforsecurity=False
    )
    return StoredObject(
        pending.key,
        ObjectData([part.segment for part in parts]),
        sum(part.size for part in parts),
        combine((part.crc64, part.size) for part in parts),
        f"{digest.hexdigest().upper()}-{len(parts)}",
        call.world.now(),
        pending.acl if acl == "default" else acl,
        pending.headers,
        "Multipart",
    )


def _completed(call: Call, stored: StoredObject) -> Answer:
    encoding = call.request.query("encoding-type")
    nodes: list[Node] = [("EncodingType", encoding)] if encoding else []
    nodes += [
        ("Location", f"http://{call.request.host}/{quote(stored.key)}"),
        ("Bucket", call.bucket.name),
        *encoded([("Key", stored.key)], encoding),
        ("ETag", f'"{stored.etag}"'),
    ]
    answer = xml_answer(document("CompleteMultipartUploadResult", nodes))
    answer.headers |= written_headers(stored)
    return answer
