"""Lists of objects, both versions; page by page."""

import base64
import binascii
from bisect import bisect_right
from collections.abc import Iterator

from bot.sandbox.oss.authentication import timestamp
from bot.sandbox.oss.call import Call
from bot.sandbox.oss.errors import invalid_argument
from bot.sandbox.oss.model import Answer, Bucket, Stored, xml_answer
from bot.sandbox.oss.pages import Page, asked_for, fill_page, flag, limit_of
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
    nodes = asked_for(call, encoding, ["prefix", "start-after", "delimiter", "continuation-token"])
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
    nodes = asked_for(call, encoding, ["prefix", "marker", "delimiter"])
    nodes += [("MaxKeys", str(limit)), ("IsTruncated", flag(page.is_truncated))]
    if page.is_truncated:
        nodes += encoded([("NextMarker", page.last)], encoding)
    nodes += _contents(page, encoding, call.bucket.owner)
    return xml_answer(document("ListBucketResult", nodes))


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


def _token(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _from_token(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token.encode()).decode()
    except (binascii.Error, UnicodeError) as error:
        message = "The continuation token provided is incorrect."
        raise invalid_argument(message, "continuation-token", token) from error
