"""Independent clients against the stand-in: put, get, list and sign."""

import asyncio
import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.oss import OssStandIn
from bot.sandbox.oss.model import Bucket
from tests.sandbox import environments

HERE = Path(__file__).parent
CONTENT = b"".join(number.to_bytes(4, "big") for number in range(300_000))
DIGEST = hashlib.sha256(CONTENT).hexdigest()
RANGE = hashlib.sha256(CONTENT[5:105]).hexdigest()

# An environment is made once, and that may take a while.
pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def python() -> Path:
    """Make the environment of the Python clients, or skip."""
    try:
        return environments.python(HERE)
    except environments.Unavailable as error:
        pytest.skip(f"the Python clients cannot be installed: {error}")


@pytest.fixture(scope="module")
def modules() -> Path:
    """Make the environment of the Node clients, or skip."""
    try:
        return environments.node_modules(HERE)
    except environments.Unavailable as error:
        pytest.skip(f"the Node clients cannot be installed: {error}")


async def drive(oss: OssStandIn, tmp_path: Path, *command: str, **job: str) -> dict[str, Any]:
    """Run a client as a process of its own and return what it reports."""
    (tmp_path / "content").write_bytes(CONTENT)
    (tmp_path / "state").mkdir()
    job |= {
        "endpoint": oss.endpoint,
        "bucket": next(iter(oss.buckets)),
        "region": oss.region,
        "key_id": oss.access_key_id,
        "secret": oss.access_key_secret,
        "file": str(tmp_path / "content"),
        "folder": str(tmp_path / "state"),
    }
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, stdin=pipe, stdout=pipe, stderr=pipe, env={"PATH": "/usr/bin:/bin"}
    )
    try:
        async with asyncio.timeout(60):
            out, errors = await process.communicate(json.dumps(job).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()
    report: dict[str, Any] = json.loads(out)
    return report


def check(report: dict[str, Any], expected: dict[str, object]) -> None:
    """Compare step by step, so that a difference names its step."""
    assert {name: report.get(name) for name in expected} == expected


STEPS = {
    "get": DIGEST,
    "after_delete": [],
    "acl": "public-read",
    "copy": DIGEST,
    "wrong_secret": [403, "SignatureDoesNotMatch"],
    "unknown_key": [403, "InvalidAccessKeyId"],
    "missing": [404, "NoSuchKey"],
    "link": [200, DIGEST],
    "expired_link": [403, "expired"],
}
"""What every client for OSS itself reports."""


@pytest.mark.parametrize("signature", ["v1", "v4"])
async def test_oss2(
    oss: OssStandIn, bucket: Bucket, tmp_path: Path, python: Path, signature: str
) -> None:
    """The older official Python client, with both signatures."""
    script = str(HERE / "oss2_client.py")
    report = await drive(oss, tmp_path, str(python), script, signature=signature)
    key = "odd/a b+ü%2F(1)~'.txt"

    check(
        report,
        {
            **STEPS,
            "put_etag": hashlib.md5(CONTENT, usedforsecurity=False).hexdigest().upper(),
            "put_crc": True,
            "range": hashlib.sha256(CONTENT[5:105]).hexdigest(),
            "head": [len(CONTENT), "a/b", "1"],
            "resumable": DIGEST,
            "parts": [[3, 1000]],
            "pending": ["big/pending"],
            "aborted": [404, "NoSuchUpload"],
            "list": ["l/1", "l/2", "l/x/3", "l/ü 4"],
            "grouped": ["l/1", "l/2", "l/x/", "l/ü 4"],
            "private": [403, "other"],
            "public": [200, DIGEST],
            "deleted": 204,
            "part_copy": hashlib.sha256(CONTENT[10:20]).hexdigest(),
            "quoted_link": [200, DIGEST],
        },
    )
    assert sorted(bucket.objects) == ["big/ü.bin", "copied", "copy", key]
    assert bucket.objects[key].read_bytes() == CONTENT
    assert bucket.objects["big/ü.bin"].read_bytes() == CONTENT


async def test_opendal(oss: OssStandIn, bucket: Bucket, tmp_path: Path, python: Path) -> None:
    """A client in Rust, which signs with V1."""
    report = await drive(oss, tmp_path, str(python), str(HERE / "opendal_client.py"))

    check(
        report,
        {
            "get": DIGEST,
            "range": RANGE,
            "head": len(CONTENT),
            "copy": DIGEST,
            "exists": [True, False],
            "multipart": DIGEST,
            "wrong_secret": "SignatureDoesNotMatch",
            "unknown_key": "InvalidAccessKeyId",
            "link": [200, DIGEST],
            "written": hashlib.sha256(b"by link").hexdigest(),
            "expired_link": [403, "expired"],
            "expired_write": [403, "expired"],
        },
    )
    assert "NotFound" in report["missing"] or report["missing"] == "NoSuchKey"
    assert bucket.objects["big/ü.bin"].read_bytes() == CONTENT
    assert bucket.objects["odd/a b+ü(1)~.txt"].read_bytes() == CONTENT


NODE_STEPS = {
    **STEPS,
    "range": RANGE,
    "head": [str(len(CONTENT)), "a/b", "1"],
    "list": [["l/1", "l/2"], True],
    "grouped": [["l/1", "l/2"], ["l/x/"]],
    "deleted": ["l/1", "l/2", "l/x/3"],
}
"""What both Node clients report."""


@pytest.mark.parametrize("signature", ["v1", "v4"])
async def test_ali_oss(
    oss: OssStandIn, bucket: Bucket, tmp_path: Path, modules: Path, signature: str
) -> None:
    """The official Node client, with both signatures."""
    script = str(HERE / "ali_oss_client.cjs")
    report = await drive(oss, tmp_path, "node", script, signature=signature, modules=str(modules))

    check(report, {**NODE_STEPS, "multipart": DIGEST})
    assert sorted(bucket.objects) == ["big/ü.bin", "copy", "odd/a b+ü(1)~'.txt"]
    assert bucket.objects["big/ü.bin"].read_bytes() == CONTENT


async def test_oss_client(oss: OssStandIn, bucket: Bucket, tmp_path: Path, modules: Path) -> None:
    """Another Node client, which signs with V1 and writes the bucket into the host."""
    script = str(HERE / "oss_client.cjs")
    report = await drive(oss, tmp_path, "node", script, modules=str(modules))
    md5 = base64.b64encode(hashlib.md5(CONTENT, usedforsecurity=False).digest()).decode()

    check(report, {**NODE_STEPS, "put_md5": md5})
    assert sorted(bucket.objects) == ["copy", "odd/a b+ü(1)~'.txt"]


@pytest.mark.parametrize("signature", ["v1", "v4"])
async def test_oss_x(
    oss: OssStandIn, bucket: Bucket, tmp_path: Path, python: Path, signature: str
) -> None:
    """An asynchronous Python client on httpx, with both signatures."""
    script = str(HERE / "oss_x_client.py")
    report = await drive(oss, tmp_path, str(python), script, signature=signature)
    names = ["l/1", "l/2", "l/x/3", "l/ü 4"]

    check(
        report,
        {
            **STEPS,
            "put_etag": hashlib.md5(CONTENT, usedforsecurity=False).hexdigest().upper(),
            "range": RANGE,
            "head": [len(CONTENT), "a/b", "1"],
            "multipart": DIGEST,
            "parts": [1, 2, 3, 4, 5, 6],
            "aborted": [404, "NoSuchUpload"],
            "list": names,
            "deleted": names,
        },
    )
    assert sorted(bucket.objects) == ["big/ü.bin", "copy", "odd/a b+ü%2F(1)~'.txt"]
    assert bucket.objects["big/ü.bin"].read_bytes() == CONTENT
