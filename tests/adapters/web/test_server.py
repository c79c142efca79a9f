"""The port itself."""

import pytest

from bot.adapters.web import PortTaken
from tests.adapters.web.client import serving


async def test_nothing_else() -> None:
    """There is no page beside those that are meant, and without a webhook nobody may deliver."""
    async with serving() as client:
        statuses = [(await client.get(path)).status for path in ("/", "/telegram", "/metrics/x")]
        delivered = await client.post("/telegram", b"{}")

    assert statuses == [404, 404, 404]
    assert delivered.status == 404


async def test_port_is_taken() -> None:
    """A port that another one has is an error that names the setting."""
    async with serving() as client:
        with pytest.raises(PortTaken, match=rf"web\.port: .*:{client.port}"):
            async with serving(port=client.port):
                pass
