"""The list of all versions of all objects; page by page."""

from collections.abc import Iterator

from bot.sandbox.oss.authentication import timestamp
from bot.sandbox.oss.call import Call
from bot.sandbox.oss.model import Answer, Bucket, Stored, xml_answer
from bot.sandbox.oss.pages import asked_for, fill_page, flag, limit_of
from bot.sandbox.oss.versions import NULL
from bot.sandbox.oss.xml import Node, document, encoded


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
    nodes = asked_for(call, encoding, ["prefix", "delimiter", "key-marker"])
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
) -> Iterator[tuple[Stored, bool]]:
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


def _entry(stored: Stored, encoding: str, owner: Node, *, latest: bool) -> Node:
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
