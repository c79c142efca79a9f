"""Objects as they are written: put, delete, ACL."""

from bot.sandbox.oss.call import Call
from bot.sandbox.oss.disk import Data
from bot.sandbox.oss.errors import (
    access_denied,
    file_exists,
    invalid_argument,
    malformed_xml,
    missing_argument,
)
from bot.sandbox.oss.model import OBJECT_ACLS, Answer, Bucket, Stored, xml_answer
from bot.sandbox.oss.request import OssRequest, check_key
from bot.sandbox.oss.xml import Node, document, encoded, parse

_MAX_DELETES = 1000
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


def kept_headers(request: OssRequest) -> dict[str, str]:
    """Return the headers of a request that are stored with the object, well spelled."""
    kept = {
        _KEPT_HEADERS.get(name, name): value
        for name, value in request.headers.items()
        if name in _KEPT_HEADERS or name.startswith("x-oss-meta-")
    }
    kept.setdefault("Content-Type", "application/octet-stream")
    kept.setdefault("x-oss-storage-class", "Standard")
    return kept


def object_acl(request: OssRequest, bucket: Bucket) -> str:
    """Return the object ACL that a request asks for.

    Raises:
        OssError: no such ACL, or a public one where public access is blocked.
    """
    acl = request.header("x-oss-object-acl") or "default"
    if acl not in OBJECT_ACLS:
        raise invalid_argument("no such object access control exists", "x-oss-object-acl", acl)
    if acl.startswith("public") and bucket.blocks_public_access:
        raise access_denied("Put public object acl is not allowed")
    return acl


def check_overwrite(bucket: Bucket, key: str, *, forbidden: bool) -> None:
    """Refuse to replace an object where the client forbade it.

    Raises:
        OssError: FileAlreadyExists.
    """
    if forbidden and key in bucket.objects:
        raise file_exists(key)


def forbids_overwrite(request: OssRequest) -> bool:
    """Say whether the request carries `x-oss-forbid-overwrite: true`."""
    return request.header("x-oss-forbid-overwrite").lower() == "true"


async def put_object(call: Call) -> Answer:
    """PutObject."""
    bucket, request = call.bucket, call.request
    acl, forbidden = object_acl(request, bucket), forbids_overwrite(request)
    check_overwrite(bucket, call.key, forbidden=forbidden)
    segment = await call.receive()
    data = Data([segment])
    if forbidden and call.key in bucket.objects:
        # Somebody else was faster while this body arrived.
        call.world.storage.discard(data)
        raise file_exists(call.key)
    stored = Stored(
        call.key,
        data,
        segment.size,
        segment.crc64,
        segment.md5,
        call.world.now(),
        acl,
        kept_headers(request),
    )
    call.world.put(bucket, stored)
    return Answer(200, {"ETag": f'"{stored.etag}"', "x-oss-hash-crc64ecma": str(stored.crc64)})


async def delete_object(call: Call) -> Answer:
    """DeleteObject; a key that is gone is no error."""
    call.world.remove(call.bucket, call.key)
    return Answer(204)


async def delete_multiple_objects(call: Call) -> Answer:
    """DeleteMultipleObjects, up to 1,000 keys."""
    if not call.request.header("content-md5"):
        raise missing_argument()
    body = await call.read_document()
    try:
        tree = parse(body, "Delete")
    except ValueError as error:
        raise malformed_xml() from error
    keys = [element.findtext("Key") or "" for element in tree.findall("Object")]
    if not 1 <= len(keys) <= _MAX_DELETES or not all(keys):
        raise malformed_xml()
    for key in keys:
        check_key(key)
        call.world.remove(call.bucket, key)
    if (tree.findtext("Quiet") or "").strip().lower() == "true":
        return Answer()
    return xml_answer(_deleted(keys, call.request.query("encoding-type")))


def _deleted(keys: list[str], encoding: str) -> bytes:
    nodes: list[Node] = [("EncodingType", encoding)] if encoding else []
    nodes += [("Deleted", encoded([("Key", key)], encoding)) for key in keys]
    return document("DeleteResult", nodes)


async def put_object_acl(call: Call) -> Answer:
    """PutObjectACL."""
    if not call.request.header("x-oss-object-acl"):
        raise missing_argument()
    acl = object_acl(call.request, call.bucket)
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
