"""The control side, spoken to without its client."""

import aiohttp
import pytest

from bot.sandbox.oss import OssStandIn


@pytest.mark.parametrize(
    ("verb", "body", "status"),
    [
        ("stats", "", 200),
        ("stats", "[]", 400),
        ("stats", "{", 400),
        ("add_fault", '{"operation": "*"}', 400),
        ("add_fault", '{"operation": "*", "effect": "boom"}', 400),
        ("objects", "{}", 400),
        ("nothing", "{}", 404),
    ],
)
async def test_calls(
    oss: OssStandIn, http: aiohttp.ClientSession, verb: str, body: str, status: int
) -> None:
    """Bad calls are answered with a sentence, and are no requests of OSS."""
    async with http.post(f"{oss.endpoint}/__control/{verb}", data=body) as answer:
        document = await answer.json()

    assert (answer.status, "error" in document, len(oss.log)) == (status, status != 200, 0)


async def test_other_names(oss: OssStandIn, http: aiohttp.ClientSession) -> None:
    """A page that reaches loopback through its own name controls nothing."""
    url, headers = f"{oss.endpoint}/__control/stats", {"Host": "evil.example.com"}
    async with http.post(url, headers=headers) as answer:
        assert answer.status == 404
