"""Drives the stand-in with oss2, in the environment that `environments.py` makes.

Reads a job (JSON) from standard input, does it step by step and prints what every step brought.
"""

import hashlib
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import oss2  # type: ignore[import-not-found]  # lives in an environment of its own.

JOB = json.load(sys.stdin)
ODD = "odd/a b+ü%2F(1)~'.txt"


def connect(key_id: str, secret: str) -> Any:
    """Return a bucket of oss2, with the signature version that the job asks for."""
    kind = oss2.AuthV4 if JOB["signature"] == "v4" else oss2.Auth
    return oss2.Bucket(
        kind(key_id, secret),
        JOB["endpoint"],
        JOB["bucket"],
        region=JOB["region"],
        enable_crc=True,
    )


BUCKET = connect(JOB["key_id"], JOB["secret"])
CONTENT = Path(JOB["file"]).read_bytes()


def digest(data: bytes) -> str:
    """Return the SHA-256 of what was received."""
    return hashlib.sha256(data).hexdigest()


def own_crc(data: bytes) -> int:
    """Return the CRC that this client computes by itself."""
    crc = oss2.utils.Crc64()
    crc(data)
    value: int = crc.crc
    return value


def code_of(work: Callable[[], object]) -> list[object]:
    """Return status and code of a call that must be refused."""
    try:
        work()
    except oss2.exceptions.OssError as error:
        return [error.status, error.code]
    return ["not refused"]


def status_of(url: str) -> list[object]:
    """Get a URL without any library of OSS; return status and the digest of the body."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=20) as answer:
            return [answer.status, digest(answer.read())]
    except urllib.error.HTTPError as error:
        with error:
            return [error.code, "expired" if b"Request has expired." in error.read() else "other"]


def advance(seconds: int) -> None:
    """Move the stand-in's clock."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    body = json.dumps({"advance": seconds}).encode()
    with opener.open(f"{JOB['endpoint']}/__control/clock", data=body, timeout=20):
        pass


def put_and_get() -> dict[str, object]:
    """Put, get, a range, the head."""
    put = BUCKET.put_object(ODD, CONTENT, headers={"Content-Type": "a/b", "x-oss-meta-m": "1"})
    head = BUCKET.head_object(ODD)
    return {
        "put_etag": put.etag,
        "put_crc": put.crc == own_crc(CONTENT),
        "get": digest(BUCKET.get_object(ODD).read()),
        "range": digest(BUCKET.get_object(ODD, byte_range=(5, 104)).read()),
        "head": [head.content_length, head.content_type, head.headers["x-oss-meta-m"]],
    }


def multipart() -> dict[str, object]:
    """The resumable upload, and the calls below it."""
    store = oss2.ResumableStore(root=JOB["folder"])
    oss2.resumable_upload(
        BUCKET,
        "big/ü.bin",
        JOB["file"],
        store=store,
        multipart_threshold=200 * 1024,
        part_size=200 * 1024,
        num_threads=4,
    )
    upload_id = BUCKET.init_multipart_upload("big/pending").upload_id
    BUCKET.upload_part("big/pending", upload_id, 3, CONTENT[:1000])
    parts = BUCKET.list_parts("big/pending", upload_id).parts
    pending = BUCKET.list_multipart_uploads(prefix="big/").upload_list
    BUCKET.abort_multipart_upload("big/pending", upload_id)
    return {
        "resumable": digest(BUCKET.get_object("big/ü.bin").read()),
        "parts": [[part.part_number, part.size] for part in parts],
        "pending": [entry.key for entry in pending],
        "aborted": code_of(lambda: BUCKET.list_parts("big/pending", upload_id)),
    }


def lists() -> dict[str, object]:
    """Both lists, page by page."""
    for name in ("l/1", "l/2", "l/x/3", "l/ü 4"):
        BUCKET.put_object(name, b"")
    old = oss2.ObjectIterator(BUCKET, prefix="l/", max_keys=1)
    new = oss2.ObjectIteratorV2(BUCKET, prefix="l/", delimiter="/", max_keys=2)
    result = {"list": [entry.key for entry in old], "grouped": [entry.key for entry in new]}
    BUCKET.batch_delete_objects(["l/1", "l/2", "l/x/3", "l/ü 4"])
    left = [entry.key for entry in oss2.ObjectIteratorV2(BUCKET, prefix="l/")]
    return {**result, "after_delete": left}


def access() -> dict[str, object]:
    """ACLs and what becomes of wrong keys."""
    url = f"{JOB['endpoint']}/{JOB['bucket']}/acl"
    BUCKET.put_object("acl", CONTENT)
    private = status_of(url)
    BUCKET.put_object_acl("acl", oss2.OBJECT_ACL_PUBLIC_READ)
    return {
        "private": private,
        "public": status_of(url),
        "acl": BUCKET.get_object_acl("acl").acl,
        "wrong_secret": code_of(lambda: connect(JOB["key_id"], "wrong").put_object("k", b"")),
        "unknown_key": code_of(lambda: connect("LTAI-other", "s").put_object("k", b"")),
        "missing": code_of(lambda: BUCKET.get_object("missing")),
        "deleted": BUCKET.delete_object("acl").status,
    }


def copies() -> dict[str, object]:
    """Copies, whole and in parts."""
    BUCKET.copy_object(JOB["bucket"], ODD, "copy")
    upload_id = BUCKET.init_multipart_upload("copied").upload_id
    part = BUCKET.upload_part_copy(JOB["bucket"], ODD, (10, 19), "copied", upload_id, 1)
    done = [oss2.models.PartInfo(1, part.etag)]
    BUCKET.complete_multipart_upload("copied", upload_id, done)
    return {
        "copy": digest(BUCKET.get_object("copy").read()),
        "part_copy": digest(BUCKET.get_object("copied").read()),
    }


def links() -> dict[str, object]:
    """Presigned URLs, before and after their end."""
    url = BUCKET.sign_url(
        "GET", ODD, 60, params={"response-content-language": "zh"}, slash_safe=True
    )
    quoted = BUCKET.sign_url("GET", ODD, 60)
    before = [status_of(url), status_of(quoted)]
    advance(61)
    return {"link": before[0], "quoted_link": before[1], "expired_link": status_of(url)}


RESULTS: dict[str, object] = {}
for step in (put_and_get, multipart, lists, access, copies, links):
    RESULTS |= step()
json.dump(RESULTS, sys.stdout)
