"""Refusals as documents."""

from bot.sandbox.oss.errors import OssError, access_denied, no_such_key
from bot.sandbox.oss.xml import parse


def test_document() -> None:
    """A document carries code, message, request id, host, details and the EC with its page."""
    tree = parse(no_such_key("a<b").body("ID", "host:80"), "Error")
    texts = {child.tag: child.text for child in tree}

    assert texts == {
        "Code": "NoSuchKey",
        "Message": "The specified key does not exist.",
        "RequestId": "ID",
        "HostId": "host:80",
        "Key": "a<b",
        "EC": "0026-00000001",
        "RecommendDoc": "https://api.aliyun.com/troubleshoot?q=0026-00000001",
    }


def test_without_ec() -> None:
    """Where no source gives an EC there is none."""
    tree = parse(access_denied("no", Bucket="b").body("ID", "h"), "Error")

    assert [child.tag for child in tree] == ["Code", "Message", "RequestId", "HostId", "Bucket"]


def test_names_itself() -> None:
    """An error that reaches a traceback tells its code."""
    assert "Teapot" in repr(OssError(418, "Teapot", "short and stout"))
