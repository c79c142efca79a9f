"""Drives the stand-in with opendal, in the environment that `environments.py` makes.

Reads a job (JSON) from standard input, does it step by step and prints what every step brought. It
does not list: in path style this client signs a bucket's path without the slash that OSS asks for.
"""

import asyncio
import hashlib
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import opendal  # type: ignore[import-not-found]  # lives in an environment of its own.

JOB = json.load(sys.stdin)
ODD = "odd/a b+ü(1)~.txt"
CONTENT = Path(JOB["file"]).read_bytes()


def connect(key_id: str, secret: str) -> Any:
    """Return an operator of opendal."""
    return opendal.Operator(
        "oss",
        bucket=JOB["bucket"],
        endpoint=JOB["endpoint"],
        access_key_id=key_id,
        access_key_secret=secret,
        addressing_style="path",
        root="/",
    )


OPERATOR = connect(JOB["key_id"], JOB["secret"])


def digest(data: bytes) -> str:
    """Return the SHA-256 of what was received."""
    return hashlib.sha256(data).hexdigest()


def code_of(work: Callable[[], object]) -> str:
    """Return the code of OSS in the text of a refusal."""
    try:
        work()
    except (opendal.exceptions.PermissionDenied, opendal.exceptions.NotFound) as error:
        text = str(error)
        return text.split('code: "')[1].split('"')[0] if 'code: "' in text else text
    return "not refused"


def status_of(url: str, method: str = "GET", data: bytes | None = None) -> list[object]:
    """Ask for a URL without any library of OSS; return status and the digest of the body."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, data=data, method=method)  # noqa: S310 - loopback only.
    if data is not None:
        # The library would add a type of its own, which counts as signed.
        request.add_header("Content-Type", "")
    try:
        with opener.open(request, timeout=20) as answer:
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
    """Write, read, a range, the head, a copy, a deletion."""
    OPERATOR.write(ODD, CONTENT)
    head = OPERATOR.stat(ODD)
    with OPERATOR.open(ODD, "rb") as file:
        file.seek(5)
        part = file.read(100)
    OPERATOR.copy(ODD, "copy")
    OPERATOR.write("gone", b"x")
    OPERATOR.delete("gone")
    return {
        "get": digest(bytes(OPERATOR.read(ODD))),
        "range": digest(bytes(part)),
        "head": head.content_length,
        "copy": digest(bytes(OPERATOR.read("copy"))),
        "exists": [OPERATOR.exists(ODD), OPERATOR.exists("gone")],
    }


def multipart() -> dict[str, object]:
    """A write in pieces, which becomes a multipart upload."""
    with OPERATOR.open("big/ü.bin", "wb", chunk=300_000) as file:
        for start in range(0, len(CONTENT), 100_000):
            file.write(CONTENT[start : start + 100_000])
    return {"multipart": digest(bytes(OPERATOR.read("big/ü.bin")))}


def refusals() -> dict[str, object]:
    """Wrong keys and a missing object."""
    return {
        "wrong_secret": code_of(lambda: connect(JOB["key_id"], "wrong").write("k", b"x")),
        "unknown_key": code_of(lambda: connect("LTAI-other", "s").write("k", b"x")),
        "missing": code_of(lambda: OPERATOR.read("missing")),
    }


async def presign() -> tuple[str, str]:
    """Return a link to read and one to write."""
    operator = OPERATOR.to_async_operator()
    read = await operator.presign_read(ODD, 60)
    write = await operator.presign_write("written", 60)
    return read.url, write.url


def links() -> dict[str, object]:
    """Presigned URLs, before and after their end."""
    read, write = asyncio.run(presign())
    before = status_of(read)
    status_of(write, "PUT", b"by link")
    advance(61)
    return {
        "link": before,
        "written": digest(bytes(OPERATOR.read("written"))),
        "expired_link": status_of(read),
        "expired_write": status_of(write, "PUT", b"late"),
    }


RESULTS: dict[str, object] = {}
for step in (put_and_get, multipart, refusals, links):
    RESULTS |= step()
json.dump(RESULTS, sys.stdout)
