"""Drives the stand-in with aliyun-oss-x, in the environment that `environments.py` makes.

Reads a job (JSON) from standard input, does it step by step and prints what every step brought.
"""

import asyncio
import hashlib
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import aliyun_oss_x as oss  # type: ignore[import-not-found]  # lives in an environment of its own.

JOB = json.load(sys.stdin)
ODD = "odd/a b+ü%2F(1)~'.txt"
CONTENT = Path(JOB["file"]).read_bytes()


def connect(key_id: str, secret: str) -> Any:
    """Return an asynchronous bucket, with the signature version that the job asks for."""
    kind = oss.AuthV4 if JOB["signature"] == "v4" else oss.Auth
    return oss.AsyncBucket(
        kind(key_id, secret), JOB["endpoint"], JOB["bucket"], region=JOB["region"]
    )


BUCKET = connect(JOB["key_id"], JOB["secret"])


def digest(data: bytes) -> str:
    """Return the SHA-256 of what was received."""
    return hashlib.sha256(data).hexdigest()


async def content_of(key: str, **wishes: Any) -> str:
    """Get an object and return its digest."""
    result = await BUCKET.get_object(key, **wishes)
    return digest(await result.read())


async def code_of(call: Awaitable[object]) -> list[object]:
    """Return status and code of a call that must be refused."""
    try:
        await call
    except oss.exceptions.OssError as error:
        return [error.status, error.code]
    return ["not refused"]


def ask(url: str, body: bytes | None = None) -> list[object]:
    """Ask for a URL without any library of OSS; return status and the digest of the body."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, data=body, timeout=20) as answer:
            return [answer.status, digest(answer.read())]
    except urllib.error.HTTPError as error:
        with error:
            return [error.code, "expired" if b"Request has expired." in error.read() else "other"]


async def put_and_get() -> dict[str, object]:
    """Put, get, a range, the head."""
    put = await BUCKET.put_object(
        ODD, CONTENT, headers={"Content-Type": "a/b", "x-oss-meta-m": "1"}
    )
    head = await BUCKET.head_object(ODD)
    return {
        "put_etag": put.etag,
        "get": await content_of(ODD),
        "range": await content_of(ODD, byte_range=(5, 104)),
        "head": [head.content_length, head.content_type, head.headers["x-oss-meta-m"]],
    }


async def multipart() -> dict[str, object]:
    """Parts out of order, listed and completed, and an upload that is aborted."""
    size = 200 * 1024
    upload_id = (await BUCKET.init_multipart_upload("big/ü.bin")).upload_id
    pieces = [CONTENT[start : start + size] for start in range(0, len(CONTENT), size)]
    for number in range(len(pieces), 0, -1):
        await BUCKET.upload_part("big/ü.bin", upload_id, number, pieces[number - 1])
    parts = (await BUCKET.list_parts("big/ü.bin", upload_id)).parts
    await BUCKET.complete_multipart_upload("big/ü.bin", upload_id, parts)
    other = (await BUCKET.init_multipart_upload("big/pending")).upload_id
    await BUCKET.abort_multipart_upload("big/pending", other)
    return {
        "multipart": await content_of("big/ü.bin"),
        "parts": [part.part_number for part in parts],
        "aborted": await code_of(BUCKET.list_parts("big/pending", other)),
    }


async def lists() -> dict[str, object]:
    """A list page by page, and a deletion of many."""
    names = ["l/1", "l/2", "l/x/3", "l/ü 4"]
    for name in names:
        await BUCKET.put_object(name, b"x")
    found = [entry.key async for entry in oss.AsyncObjectIteratorV2(BUCKET, "l/", max_keys=2)]
    deleted = await BUCKET.batch_delete_objects(names)
    left = await BUCKET.list_objects_v2(prefix="l/")
    return {
        "list": found,
        "deleted": deleted.deleted_keys,
        "after_delete": [entry.key for entry in left.object_list],
    }


async def access() -> dict[str, object]:
    """ACLs, copies, and what becomes of wrong keys."""
    await BUCKET.put_object_acl(ODD, oss.OBJECT_ACL_PUBLIC_READ)
    await BUCKET.copy_object(JOB["bucket"], ODD, "copy")
    return {
        "acl": (await BUCKET.get_object_acl(ODD)).acl,
        "copy": await content_of("copy"),
        "wrong_secret": await code_of(connect(JOB["key_id"], "wrong").put_object("k", b"x")),
        "unknown_key": await code_of(connect("LTAI-other", "s").put_object("k", b"x")),
        "missing": await code_of(BUCKET.get_object("missing")),
    }


async def links() -> dict[str, object]:
    """A presigned URL, before and after its end."""
    url = BUCKET.sign_url("GET", ODD, 60)
    before = await asyncio.to_thread(ask, url)
    advance = json.dumps({"advance": 61}).encode()
    await asyncio.to_thread(ask, f"{JOB['endpoint']}/__control/clock", advance)
    return {"link": before, "expired_link": await asyncio.to_thread(ask, url)}


async def main() -> None:
    """Do every step and print the results."""
    results: dict[str, object] = {}
    for step in (put_and_get, multipart, lists, access, links):
        results |= await step()
    json.dump(results, sys.stdout)


asyncio.run(main())
