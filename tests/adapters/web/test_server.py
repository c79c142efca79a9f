"""The port itself."""

import pytest

from bot.core.errors import PortTaken
from tests.adapters.web.client import serving


async def test_nothing_else() -> None:
    """Other pages do not exist, and without a webhook no update is taken."""
    async with serving() as client:
        statuses = [(await client.get(path)).status for path in ("/", "/telegram", "/metrics/x")]
        delivered = await client.post("/telegram", b"{}")

    assert statuses == [404, 404, 404]
    assert delivered.status == 404


async def test_port_is_taken() -> None:
    """A port that is in use is an error that names the setting."""
    async with serving() as client:
        with pytest.raises(PortTaken, match=rf"web\.port: .*:{client.port}"):
            async with serving(port=client.port):
                pass
