"""Objects as they go: one or many at a time, with and without versions."""

from bot.sandbox.oss.call import Call
from bot.sandbox.oss.errors import malformed_xml, missing_argument
from bot.sandbox.oss.model import Answer, Stored, xml_answer
from bot.sandbox.oss.request import check_key
from bot.sandbox.oss.versions import remove, remove_version
from bot.sandbox.oss.xml import Node, document, encoded, parse

_MAX_DELETES = 1000


async def delete_object(call: Call) -> Answer:
    """DeleteObject; a key or a version that is gone is no error."""
    version_id = call.request.query("versionId")
    marker = _delete(call, call.key, version_id)
    headers = {"x-oss-version-id": version_id} if version_id else {}
    if marker is not None:
        headers = {"x-oss-delete-marker": "true", "x-oss-version-id": marker.version_id}
    return Answer(204, headers)


def _delete(call: Call, key: str, version_id: str) -> Stored | None:
    """Delete and return the delete marker that was made or removed, if any."""
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
    deleted = [(key, version, _delete(call, key, version)) for key, version in asked]
    if (tree.findtext("Quiet") or "").strip().lower() == "true":
        return Answer()
    encoding = call.request.query("encoding-type")
    nodes: list[Node] = [("EncodingType", encoding)] if encoding else []
    nodes += [("Deleted", _deleted(*entry, encoding)) for entry in deleted]
    return xml_answer(document("DeleteResult", nodes))


def _deleted(key: str, version_id: str, marker: Stored | None, encoding: str) -> list[Node]:
    nodes = encoded([("Key", key)], encoding)
    if version_id:
        nodes.append(("VersionId", version_id))
    if marker is not None:
        nodes += [("DeleteMarker", "true"), ("DeleteMarkerVersionId", marker.version_id)]
    return nodes
