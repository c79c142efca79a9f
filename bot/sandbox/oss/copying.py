"""Copies inside the service: CopyObject and UploadPartCopy.

Source: OSS documentation, "CopyObject" (objects up to 1 GB) and "UploadPartCopy".
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import unquote

from bot.sandbox.oss.access import check_access
from bot.sandbox.oss.authentication import timestamp
from bot.sandbox.oss.call import MAX_BODY, Call
from bot.sandbox.oss.errors import access_denied, invalid_argument, too_large
from bot.sandbox.oss.model import Answer, StoredObject, xml_answer
from bot.sandbox.oss.multipart import find_pending, part_number, store_part
from bot.sandbox.oss.objects import (
    DEFAULT_TYPE,
    check_overwrite,
    forbids_overwrite,
    kept_headers,
    object_acl,
)
from bot.sandbox.oss.operations import Operation, Right
from bot.sandbox.oss.reading import precondition_failed, read_date
from bot.sandbox.oss.request import Address, OssRequest
from bot.sandbox.oss.versions import find_version, store
from bot.sandbox.oss.xml import document

MAX_COPY = 1024**3
"""Bytes that CopyObject copies at most; larger objects go by UploadPartCopy."""
_READ_SOURCE = Operation("GetObject", Right.READ, "oss:GetObject")


async def copy_object(call: Call) -> Answer:
    """CopyObject: the same bytes under another key, or under the same with other headers."""
    request, bucket, world = call.request, call.bucket, call.world
    source = _source(call)
    if source.size > MAX_COPY:
        raise too_large(MAX_COPY, source.size)
    check_overwrite(bucket, call.key, forbidden=forbids_overwrite(request))
    directive = (request.header("x-oss-metadata-directive") or "COPY").upper()
    if directive not in {"COPY", "REPLACE"}:
        raise invalid_argument("Unknown directive.", "x-oss-metadata-directive", directive)
    # Without a type, REPLACE takes the default, neither that of the source nor of the suffix.
    replaced = kept_headers(call, DEFAULT_TYPE)
    headers = replaced if directive == "REPLACE" else dict(source.headers)
    copied = replace(
        source,
        key=call.key,
        data=await world.storage.link(source.data),
        last_modified=world.now(),
        acl=object_acl(call),
        headers=headers,
        version_id="",
    )
    store(world, bucket, copied)
    answer = _result("CopyObjectResult", copied.etag, call, source)
    answer.headers["x-oss-hash-crc64ecma"] = str(copied.crc64)
    if copied.version_id:
        answer.headers["x-oss-version-id"] = copied.version_id
    return answer


async def upload_part_copy(call: Call) -> Answer:
    """UploadPartCopy: a part from a range of an object."""
    number = part_number(call.request.query("partNumber"))
    find_pending(call)
    source = _source(call)
    start, end = _range(call.request, source.size)
    if end - start > MAX_BODY:
        raise too_large(MAX_BODY, end - start)
    storage = call.world.storage
    segment = await storage.receive(storage.read(source.data, start, end - start))
    part = store_part(call, number, segment)
    return _result("CopyPartResult", part.etag, call, source)


def _source(call: Call) -> StoredObject:
    """Return the object to copy, which the caller must be allowed to read.

    Raises:
        OssError: the header names nothing, the source is forbidden, missing, in another region,
            or does not meet its conditions.
    """
    name = call.request.header("x-oss-copy-source")
    path, _, query = name.partition("?")
    bucket_name, _, quoted = path.removeprefix("/").partition("/")
    key = unquote(quoted)
    if not bucket_name or not key:
        message = "Copy Source must mention the source bucket and key."
        raise invalid_argument(message, "x-oss-copy-source", name)
    world = call.world
    bucket = world.bucket(bucket_name)
    if bucket.region != call.bucket.region:
        message = "Target object does not reside in the same data center as source object."
        raise access_denied(message)
    request = OssRequest("GET", call.request.host, Address(bucket_name, key), (), {})
    check_access(world, call.caller, _READ_SOURCE, request, bucket)
    source = find_version(bucket, key, query.removeprefix("versionId="))
    _check_conditions(call.request.headers, source)
    return source


def _check_conditions(headers: Mapping[str, str], source: StoredObject) -> None:
    prefix = "x-oss-copy-source-if-"
    match = headers.get(prefix + "match", "").strip('"')
    none_match = headers.get(prefix + "none-match", "").strip('"')
    since = read_date(headers.get(prefix + "modified-since", ""))
    until = read_date(headers.get(prefix + "unmodified-since", ""))
    modified = source.last_modified.replace(microsecond=0)
    if (
        (match and match != source.etag)
        or (none_match and none_match == source.etag)
        or (since and modified <= since)
        or (until and modified > until)
    ):
        raise precondition_failed()


def _range(request: OssRequest, size: int) -> tuple[int, int]:
    """Return the range of the source as `[start, end)`; without a header it is the whole."""
    text = request.header("x-oss-copy-source-range")
    if not text:
        return 0, size
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", text.strip())
    if match and int(match[1]) < size:
        end = int(match[2]) + 1 if match[2] else size
        if end > int(match[1]):
            return int(match[1]), min(end, size)
    raise invalid_argument("The specified copy range is invalid.", "x-oss-copy-source-range", text)


def _result(name: str, etag: str, call: Call, source: StoredObject) -> Answer:
    nodes = [("LastModified", timestamp(call.world.now())), ("ETag", f'"{etag}"')]
    answer = xml_answer(document(name, nodes))
    answer.headers["ETag"] = f'"{etag}"'
    if source.version_id:
        answer.headers["x-oss-copy-source-version-id"] = source.version_id
    return answer
