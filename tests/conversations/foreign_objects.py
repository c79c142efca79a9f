"""Things in the bucket that no bot has put there."""

from datetime import timedelta
from typing import Final

from bot.core.files import key_prefix
from bot.demo.local_stack import LocalStack
from bot.sandbox.oss.disk import ObjectData
from bot.sandbox.oss.model import MultipartUpload, StoredObject

HEADERS: Final = {"x-oss-storage-class": "Standard"}


def put(stage: LocalStack, name: str, *, age: timedelta) -> str:
    """Let an object of that age lie below the prefix of the bot; return its key."""
    key = f"{key_prefix(stage.telegram.bot_id)}{name}"
    modified = stage.clock.now() - age
    stored = StoredObject(key, ObjectData([]), 0, 0, "0" * 32, modified, "private", dict(HEADERS))
    stage.bucket.objects[key] = stored
    return key


def initiate(stage: LocalStack, name: str, *, age: timedelta) -> str:
    """Let a multipart upload of that age be pending below the prefix of the bot; return its
    key.
    """
    key = f"{key_prefix(stage.telegram.bot_id)}{name}"
    upload = MultipartUpload(key, name.upper(), stage.clock.now() - age, dict(HEADERS))
    stage.bucket.uploads[upload.upload_id] = upload
    return key
