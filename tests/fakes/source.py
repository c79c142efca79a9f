"""A chat service that hands over files from memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bot.core.errors import RelayError
from bot.core.files import IncomingFile
from bot.core.jobs import ProgressMeter
from tests.fakes.content import FakeContent


class FakeSource:
    """Fulfils the `FileSource` port. Hands over `contents` by `file_unique_id`, otherwise
    `data`.
    """

    def __init__(self, data: bytes = b"x" * 1000) -> None:
        self.data = data
        self.limit = 20 << 20
        self.contents: dict[str, FakeContent] = {}
        self.failures: list[RelayError] = []
        """Raised one by one, instead of opening."""
        self.opened: list[int] = []
        """Ids of jobs, in the order in which their files were opened."""
        self.closed: list[int] = []

    @asynccontextmanager
    async def open(
        self, job_id: int, file: IncomingFile, meter: ProgressMeter
    ) -> AsyncIterator[FakeContent]:
        """Open the content of a file; nothing of it is left when the block is left."""
        if self.failures:
            raise self.failures.pop(0)
        content = self.contents.get(file.file_unique_id) or FakeContent(self.data)
        self.opened.append(job_id)
        meter.total = content.size
        try:
            yield content
        finally:
            self.closed.append(job_id)
