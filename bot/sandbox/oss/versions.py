"""Replace and delete objects, with and without versioning.

Source: OSS documentation, "Overview of versioning".
"""

import secrets

from bot.sandbox.oss.disk import ObjectData
from bot.sandbox.oss.errors import OssError, no_such_key
from bot.sandbox.oss.model import Bucket, StoredObject
from bot.sandbox.oss.world import World

NULL = "null"
"""The id of objects that were written while versioning was off or suspended."""


def store(world: World, bucket: Bucket, stored: StoredObject) -> None:
    """Make `stored` the current version of its key; the old one is kept or removed."""
    _retire_current(world, bucket, stored.key)
    if bucket.versioning:
        stored.version_id = _new_id(bucket)
    bucket.objects[stored.key] = stored


def remove(world: World, bucket: Bucket, key: str) -> StoredObject | None:
    """Delete the current version; with versioning a delete marker takes its place.

    Returns the marker, or `None` without versioning. A missing key is not an error.
    """
    _retire_current(world, bucket, key)
    if not bucket.versioning:
        return None
    marker = StoredObject(key, ObjectData([]), 0, 0, "", world.now(), kind="DeleteMarker")
    marker.version_id = _new_id(bucket)
    bucket.older.setdefault(key, []).append(marker)
    return marker


def _new_id(bucket: Bucket) -> str:
    return f"CAEQ{secrets.token_hex(14)}" if bucket.versioning == "Enabled" else NULL


def _retire_current(world: World, bucket: Bucket, key: str) -> None:
    """Move the current version to the history, or delete it without versioning."""
    old = bucket.objects.pop(key, None)
    if bucket.versioning and old is not None:
        old.version_id = old.version_id or NULL
        bucket.older.setdefault(key, []).append(old)
    elif old is not None:
        world.storage.discard(old.data)
    if bucket.versioning == "Suspended":
        # There is only one `null` version of a key; the new one takes its place.
        _take(world, bucket, key, NULL)


def remove_version(world: World, bucket: Bucket, key: str, version_id: str) -> StoredObject | None:
    """Delete one version for good and return it; a missing one is not an error.

    The newest remaining version becomes the current one, unless it is a delete marker.
    """
    taken = _take(world, bucket, key, version_id)
    history = bucket.older.get(key, [])
    if key not in bucket.objects and history and not history[-1].is_marker:
        bucket.objects[key] = history.pop()
    if not history:
        bucket.older.pop(key, None)
    return taken


def _take(world: World, bucket: Bucket, key: str, version_id: str) -> StoredObject | None:
    """Remove one version from the history or from the current objects."""
    current = bucket.objects.get(key)
    history = bucket.older.get(key, [])
    found = next((old for old in history if old.version_id == version_id), None)
    if found is not None:
        history.remove(found)
        if not history:
            del bucket.older[key]
    elif current is not None and (current.version_id or NULL) == version_id:
        found = bucket.objects.pop(key)
    else:
        return None
    world.storage.discard(found.data)
    return found


def find_version(bucket: Bucket, key: str, version_id: str = "") -> StoredObject:
    """Return the current version, or the requested one.

    Raises:
        OssError: NoSuchKey, NoSuchVersion, or MethodNotAllowed for a delete marker.
    """
    current = bucket.objects.get(key)
    if not version_id:
        if current is not None:
            return current
        raise _missing(bucket, key)
    if current is not None and (current.version_id or NULL) == version_id:
        return current
    for old in bucket.older.get(key, []):
        if old.version_id == version_id:
            return _unless_marker(old)
    message = "The specified version does not exist."
    details = {"Key": key, "VersionId": version_id}
    raise OssError(404, "NoSuchVersion", message, details=details)


def _missing(bucket: Bucket, key: str) -> OssError:
    error = no_such_key(key)
    if history := bucket.older.get(key):
        error.headers = {
            "x-oss-delete-marker": "true",
            "x-oss-version-id": history[-1].version_id,
        }
    return error


def _unless_marker(old: StoredObject) -> StoredObject:
    if not old.is_marker:
        return old
    message = "The specified method is not allowed against this resource."
    headers = {"x-oss-delete-marker": "true", "x-oss-version-id": old.version_id}
    raise OssError(405, "MethodNotAllowed", message, headers=headers)
