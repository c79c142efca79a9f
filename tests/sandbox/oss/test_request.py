"""Requests, decoded."""

import pytest

from bot.sandbox.oss.errors import OssError
from bot.sandbox.oss.request import check_bucket_name, check_key, decode


@pytest.mark.parametrize(
    ("target", "key"),
    [
        ("/b/k", "k"),
        ("/b/a/b", "a/b"),
        ("/b/a%2Fb", "a/b"),
        ("/b/a+b%20c", "a+b c"),
        ("/b/%E6%97%A5", "日"),
        ("/b//k", "/k"),
        ("/b/a//b/", "a//b/"),
        ("/b/a%25b", "a%b"),
        ("/b/a?x=/c", "a"),
        ("http://127.0.0.1/b/k?x=1", "k"),
    ],
)
def test_key(target: str, key: str) -> None:
    """The key is what the client meant, however it was quoted; a plus is a plus."""
    assert decode("GET", target, {"host": "127.0.0.1"}, {}).key == key


def test_query() -> None:
    """Parameters are decoded, a plus is a space there, the last one wins, empty ones are there."""
    request = decode("GET", "/b/k?a=1&b=x+y%2B&acl&a=2&=3", {"host": "127.0.0.1"}, {})

    assert (request.query("a"), request.query("b")) == ("2", "x y+")
    assert (request.has("acl"), request.query("acl"), request.has("c")) == (True, "", False)


@pytest.mark.parametrize(
    ("host", "bucket", "region"),
    [
        ("127.0.0.1:9000", "path", None),
        ("[::1]:9000", "path", None),
        ("localhost", "path", None),
        ("", "path", None),
        ("b.oss-cn-hongkong.aliyuncs.com", "b", "cn-hongkong"),
        ("b.oss-cn-hongkong-internal.aliyuncs.com:80", "b", "cn-hongkong"),
        ("b.localhost:9000", "b", None),
        ("own.example.com", "mine", None),
    ],
)
def test_host(host: str, bucket: str, region: str | None) -> None:
    """The bucket stands in the host's name, or behind an own domain, or in the path."""
    request = decode("GET", "/path/k", {"host": host}, {"own.example.com": "mine"})

    assert (request.bucket, request.address.region) == (bucket, region)
    assert request.address.is_default_domain is (bucket != "mine")


@pytest.mark.parametrize("name", ["ab", "a" * 64, "-ab", "ab-", "aB1", "a_b", "a.b", ""])
def test_bad_bucket_name(name: str) -> None:
    """Names have 3 to 63 lower-case letters, digits and hyphens, no hyphen at the ends."""
    with pytest.raises(OssError, match="InvalidBucketName"):
        check_bucket_name(name)


@pytest.mark.parametrize("name", ["abc", "a" * 63, "0-9"])
def test_good_bucket_name(name: str) -> None:
    """Names within the rules pass."""
    check_bucket_name(name)


def test_slash_has_a_reason() -> None:
    """A key that starts with a slash is refused with the code of that reason."""
    with pytest.raises(OssError) as caught:
        check_key("/k")

    assert caught.value.ec == "0016-00000005"
