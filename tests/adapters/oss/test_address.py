"""URLs of objects and endpoints."""

import pytest

from bot.adapters.oss.client import BucketAddress

KEY = "relay/1/to~ken_-/ä b+c%.bin"
QUOTED = "relay/1/to~ken_-/%C3%A4%20b%2Bc%25.bin"


def address(**changes: str | bool) -> BucketAddress:
    """Make an address in Hong Kong."""
    return BucketAddress(bucket="files", region="cn-hongkong", **changes)  # type: ignore[arg-type] # tests give fitting ones.


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "https://files.oss-cn-hongkong.aliyuncs.com"),
        ({"endpoint": "oss-accelerate.aliyuncs.com"}, "https://files.oss-accelerate.aliyuncs.com"),
        ({"endpoint": "http://oss.test:8080/"}, "http://files.oss.test:8080"),
        ({"endpoint": "oss.test", "path_style": True}, "https://oss.test/files"),
        ({"endpoint": "http://127.0.0.1:9000"}, "http://127.0.0.1:9000/files"),
        ({"endpoint": "http://[::1]:9000"}, "http://[::1]:9000/files"),
        ({"link_domain": "dl.example.com"}, "https://dl.example.com"),
        ({"link_domain": "http://dl.example.com/"}, "http://dl.example.com"),
        (
            {"link_domain": "dl.example.com", "endpoint": "http://127.0.0.1:9000"},
            "https://dl.example.com",
        ),
        (
            {"upload_endpoint": "oss-cn-hongkong-internal.aliyuncs.com"},
            "https://files.oss-cn-hongkong.aliyuncs.com",
        ),
    ],
)
def test_object_urls(changes: dict[str, str | bool], expected: str) -> None:
    """Links use the public host, the bucket in it or in the path, or the operator's domain."""
    assert f"{expected}/{QUOTED}" == address(**changes).object_url(KEY)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "https://oss-cn-hongkong.aliyuncs.com"),
        ({"endpoint": "http://127.0.0.1:9000"}, "http://127.0.0.1:9000"),
        ({"upload_endpoint": "oss-cn-hongkong-internal.aliyuncs.com"}, None),
        ({"link_domain": "dl.example.com"}, "https://oss-cn-hongkong.aliyuncs.com"),
    ],
)
def test_upload_endpoint(changes: dict[str, str | bool], expected: str | None) -> None:
    """Requests go to the upload endpoint if there is one, else to the public one."""
    internal = "https://oss-cn-hongkong-internal.aliyuncs.com"

    assert (expected or internal) == address(**changes).upload_base
