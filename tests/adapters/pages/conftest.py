"""A site for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.adapters.pages.site import Site, open_site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A running site without pages."""
    async with open_site(tmp_path) as site:
        yield site
