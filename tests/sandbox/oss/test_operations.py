"""Every operation that can be recognized can be carried out, under its documented name."""

import pytest

from bot.sandbox.oss.dispatch import HANDLERS
from bot.sandbox.oss.operations import _BUCKET, _COPIES, _OBJECT, _SERVICE, find_operation
from bot.sandbox.oss.request import decode

TABLES = [*_SERVICE.values(), *_BUCKET.values(), *_OBJECT.values(), *_COPIES.values()]


def test_all_have_handlers() -> None:
    """No operation is known without a handler, and no handler is beyond reach."""
    assert {operation.name for operation in TABLES} == set(HANDLERS)


@pytest.mark.parametrize(
    ("method", "target", "name"),
    [
        ("GET", "/", "ListBuckets"),
        ("GET", "/bucket", "ListObjects"),
        ("GET", "/bucket/", "ListObjects"),
        ("GET", "/bucket/?list-type=2&prefix=acl", "ListObjectsV2"),
        ("GET", "/bucket/?acl", "GetBucketACL"),
        ("GET", "/bucket/?uploads&prefix=a", "ListMultipartUploads"),
        ("PUT", "/bucket/k?acl=", "PutObjectACL"),
        ("PUT", "/bucket/k?partNumber=1&uploadId=U", "UploadPart"),
        ("POST", "/bucket/k?uploads=", "InitiateMultipartUpload"),
        ("POST", "/bucket/k?uploadId=U", "CompleteMultipartUpload"),
        ("DELETE", "/bucket/k?uploadId=U", "AbortMultipartUpload"),
        ("GET", "/bucket/k?uploadId=U", "ListParts"),
        ("GET", "/bucket/k?response-content-type=acl", "GetObject"),
        ("GET", "/bucket/k?list-type=2", "GetObject"),
    ],
)
def test_names(method: str, target: str, name: str) -> None:
    """Method, level and sub-resource decide."""
    request = decode(method, target, {"host": "127.0.0.1"}, {})

    assert find_operation(request).name == name


def test_copies() -> None:
    """A source in a header makes a copy of a put, and of a part."""
    headers = {"host": "127.0.0.1", "x-oss-copy-source": "/b/k"}
    targets = ["/bucket/k", "/bucket/k?partNumber=1&uploadId=U"]
    names = [find_operation(decode("PUT", target, headers, {})).name for target in targets]

    assert names == ["CopyObject", "UploadPartCopy"]
