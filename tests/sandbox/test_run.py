"""Both stand-ins as one process."""

import asyncio
import re
from pathlib import Path

import aiohttp

from bot.sandbox.run import run_sandbox
from bot.sandbox.telegram import RemoteTelegram


async def test_the_chat_page_is_named(tmp_path: Path) -> None:
    """The address of the page is printed, and the page knows the person of the settings."""
    said: asyncio.Queue[str] = asyncio.Queue()
    running = asyncio.create_task(run_sandbox(tmp_path, said.put_nowait))
    found = re.search(r"in a browser:\n\s+(\S+)", await said.get())
    assert found is not None
    async with aiohttp.ClientSession() as http, http.get(found[1]) as answer:
        page = await answer.text()
    async with RemoteTelegram(found[1]) as remote:
        people = await remote.ask("people")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert "<title>" in page
    assert [(person["name"], person["role"]) for person in people] == [("Alice", "member")]
