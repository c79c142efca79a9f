"""Addresses that the server takes."""

import pytest

from bot.sandbox.telegram.links import InvalidLink, check_link


@pytest.mark.parametrize(
    ("url", "stored"),
    [
        ("https://a.example", "https://a.example/"),
        ("a.example/x", "http://a.example/x"),
        ("tg://user?id=1", "tg://user?id=1"),
        ("http://127.0.0.1:80/?a=b", "http://127.0.0.1:80/?a=b"),
        ("http://[::1]:80/x", "http://[::1]:80/x"),
        ("https://b.oss-cn-x.aliyuncs.com/k?sig=%2F", "https://b.oss-cn-x.aliyuncs.com/k?sig=%2F"),
    ],
)
def test_good_links(url: str, stored: str) -> None:
    """Addresses are stored with scheme and, where there is nothing else, a slash."""
    assert stored == check_link(url)


@pytest.mark.parametrize(
    "url", ["", "http://", "http://a b.example", "http://a.example:99999", "javascript://x", "x"]
)
def test_bad_links(url: str) -> None:
    """What cannot be an address of the web is refused."""
    with pytest.raises(InvalidLink):
        check_link(url)
