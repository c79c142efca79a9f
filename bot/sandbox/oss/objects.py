"""Write and delete objects, and their ACL."""

from mimetypes import MimeTypes

from bot.sandbox.oss.call import Call, content_md5
from bot.sandbox.oss.disk import ObjectData
from bot.sandbox.oss.errors import (
    access_denied,
    file_exists,
    file_immutable,
    invalid_argument,
    malformed_xml,
    missing_argument,
)
from bot.sandbox.oss.model import OBJECT_ACLS, Answer, Bucket, StoredObject, xml_answer
from bot.sandbox.oss.request import OssRequest, check_key
from bot.sandbox.oss.versions import remove, remove_version, store
from bot.sandbox.oss.xml import Node, document, encoded, parse

_KEPT_HEADERS = {
    "cache-control": "Cache-Control",
    "content-disposition": "Content-Disposition",
    "content-encoding": "Content-Encoding",
    "content-language": "Content-Language",
    "content-type": "Content-Type",
    "expires": "Expires",
    "x-oss-storage-class": "x-oss-storage-class",
    "x-oss-tagging": "x-oss-tagging",
}

DEFAULT_TYPE = "application/octet-stream"
_TYPES = MimeTypes()
"""The table of Python alone, not that of the machine."""


def kept_headers(call: Call, default_type: str = "") -> dict[str, str]:
    """Return the headers of a request that are stored with the object, in canonical spelling.

    Without a type it is `default_type`, or the suffix of the key decides (OSS documentation,
    "Manage object metadata"); without a storage class it is that of the bucket ("PutObject").
    """
    request = call.request
    kept = {
        _KEPT_HEADERS.get(name, name): value
        for name, value in request.headers.items()
        if name in _KEPT_HEADERS or name.startswith("x-oss-meta-")
    }
    guessed = _TYPES.guess_type(request.key)[0] or DEFAULT_TYPE
    kept.setdefault("Content-Type", default_type or guessed)
    kept.setdefault("x-oss-storage-class", call.bucket.storage_class)
    if call.world.storage_class:
        kept["x-oss-storage-class"] = call.world.storage_class
    return kept


def object_acl(call: Call) -> str:
    """Return the object ACL that a request asks for.

    Raises:
        OssError: no such ACL, or a public one where public access is blocked.
    """
    acl = call.request.header("x-oss-object-acl") or "default"
    if acl not in OBJECT_ACLS:
        raise invalid_argument("no such object access control exists", "x-oss-object-acl", acl)
    if acl.startswith("public") and call.world.blocks_public(call.bucket):
        raise access_denied("Put public object acl is not allowed")
    return acl


def check_overwrite(bucket: Bucket, key: str, *, forbidden: bool) -> None:
    """Refuse to replace an object where the client forbade it, or a retention policy does.

    Raises:
        OssError: FileAlreadyExists, FileImmutable.
    """
    check_retention(bucket, key)
    if forbidden and key in bucket.objects:
        raise file_exists(key)


def check_retention(bucket: Bucket, key: str) -> None:
    """Refuse to change or delete an object that a retention policy protects.

    Raises:
        OssError: FileImmutable.
    """
    if bucket.retains and key in bucket.objects:
        raise file_immutable()


def forbids_overwrite(request: OssRequest) -> bool:
    """Return whether the request carries `x-oss-forbid-overwrite: true`."""
    return request.header("x-oss-forbid-overwrite").lower() == "true"


async def put_object(call: Call) -> Answer:
    """PutObject."""
    bucket, request = call.bucket, call.request
    acl, forbidden = object_acl(call), forbids_overwrite(request)
    check_overwrite(bucket, call.key, forbidden=forbidden)
    segment = await call.receive()
    data = ObjectData([segment])
    if forbidden and call.key in bucket.objects:
        # Another request created the object while this body arrived.
        call.world.storage.discard(data)
        raise file_exists(call.key)
    stored = StoredObject(
        call.key,
        data,
        segment.size,
        segment.crc64,
        segment.md5,
        call.world.now(),
        acl,
        kept_headers(call),
    )
    store(call.world, bucket, stored)
    return Answer(200, written_headers(stored) | content_md5(segment))


def written_headers(stored: StoredObject) -> dict[str, str]:
    """Return the headers that describe an object just written."""
    headers = {"ETag": f'"{stored.etag}"', "x-oss-hash-crc64ecma": str(stored.crc64)}
    if stored.version_id:
        headers["x-oss-version-id"] = stored.version_id
    return headers


async def put_object_acl(call: Call) -> Answer:
    """PutObjectACL."""
    if not call.request.header("x-oss-object-acl"):
        raise missing_argument()
    acl = object_acl(call)
    call.stored().acl = acl
    return Answer()


async def get_object_acl(call: Call) -> Answer:
    """GetObjectACL."""
    return xml_answer(acl_document(call.bucket.owner, call.stored().acl))


def acl_document(owner: str, acl: str) -> bytes:
    """Return an AccessControlPolicy, as buckets and objects have it."""
    return document(
        "AccessControlPolicy",
        [
            ("Owner", [("ID", owner), ("DisplayName", owner)]),
            ("AccessControlList", [("Grant", acl)]),
        ],
    )


_MAX_DELETES = 1000


async def delete_object(call: Call) -> Answer:
    """DeleteObject; succeeds for a missing key or version too."""
    version_id = call.request.query("versionId")
    marker = _delete(call, call.key, version_id)
    headers = {"x-oss-version-id": version_id} if version_id else {}
    if marker is not None:
        headers = {"x-oss-delete-marker": "true", "x-oss-version-id": marker.version_id}
    return Answer(204, headers)


def _delete(call: Call, key: str, version_id: str) -> StoredObject | None:
    """Delete and return the delete marker that was made or removed, if any."""
    check_retention(call.bucket, key)
    if not version_id:
        return remove(call.world, call.bucket, key)
    removed = remove_version(call.world, call.bucket, key, version_id)
    return removed if removed is not None and removed.is_marker else None


async def delete_multiple_objects(call: Call) -> Answer:
    """DeleteMultipleObjects, up to 1,000 keys."""
    if not call.request.header("content-md5"):
        raise missing_argument()
    body = await call.read_document()
    try:
        tree = parse(body, "Delete")
    except ValueError as error:
        raise malformed_xml() from error
    asked = [
        (element.findtext("Key") or "", element.findtext("VersionId") or "")
        for element in tree.findall("Object")
    ]
    if not 1 <= len(asked) <= _MAX_DELETES or not all(key for key, _ in asked):
        raise malformed_xml()
    for key, _ in asked:
        check_key(key)
    deleted = [
        (key, version, _delete(call, key, version))
        for key, version in asked
        if key not in call.kept
    ]
    if (tree.findtext("Quiet") or "").strip().lower() == "true":
        return Answer()
    encoding = call.request.query("encoding-type")
    nodes: list[Node] = [("EncodingType", encoding)] if encoding else []
    nodes += [("Deleted", _deleted(*entry, encoding)) for entry in deleted]
    return xml_answer(document("DeleteResult", nodes))


def _deleted(key: str, version_id: str, marker: StoredObject | None, encoding: str) -> list[Node]:
    nodes = encoded([("Key", key)], encoding)
    if version_id:
        nodes.append(("VersionId", version_id))
    if marker is not None:
        nodes += [("DeleteMarker", "true"), ("DeleteMarkerVersionId", marker.version_id)]
    return nodes
