"""Both halves of a relay with their seconds measured; what they do is unchanged."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from bot.core.files import IncomingFile
from bot.core.ports.clock import Clock
from bot.core.ports.metrics import Metrics, Span
from bot.core.ports.source import Content, Digest, FileSource
from bot.core.progress import ProgressMeter
from bot.jobs.relay import UploadEngine
from bot.transfer.uploader import Target, Uploaded, UploadJournal


class WatchedSource:
    """Fulfils the `FileSource` port by handing every call on."""

    def __init__(self, source: FileSource, metrics: Metrics, clock: Clock) -> None:
        self._source = source
        self._metrics = metrics
        self._clock = clock

    @property
    def limit(self) -> int:
        """The largest file in bytes that can be handed over."""
        return self._source.limit

    def open(
        self, job_id: int, file: IncomingFile, meter: ProgressMeter
    ) -> AbstractAsyncContextManager[Content]:
        """Open the content of a file, which tells how long it takes to fill."""
        return self._open(self._source.open(job_id, file, meter))

    @asynccontextmanager
    async def _open(self, opening: AbstractAsyncContextManager[Content]) -> AsyncIterator[Content]:
        async with opening as content:
            yield _WatchedContent(content, self._metrics, self._clock)


class _WatchedContent:
    def __init__(self, content: Content, metrics: Metrics, clock: Clock) -> None:
        self._content = content
        self._metrics = metrics
        self._clock = clock
        # What is read block by block is that of the content itself, without a step in between.
        self.wait_for = content.wait_for
        self.pread = content.pread

    @property
    def size(self) -> int | None:
        return self._content.size

    @property
    def largest(self) -> int:
        return self._content.largest

    @property
    def is_whole(self) -> bool:
        return self._content.is_whole

    async def fill(self) -> Digest:
        began = self._clock.now()
        digest = await self._content.fill()
        self._metrics.took(Span.FETCH, (self._clock.now() - began).total_seconds())
        return digest


class WatchedUploads:
    """Fulfils `UploadEngine` by handing every call on."""

    def __init__(self, uploads: UploadEngine, metrics: Metrics, clock: Clock) -> None:
        self._uploads = uploads
        self._metrics = metrics
        self._clock = clock

    async def upload(
        self, content: Content, target: Target, meter: ProgressMeter, journal: UploadJournal
    ) -> Uploaded:
        """Upload the content, and tell how long it took."""
        began = self._clock.now()
        uploaded = await self._uploads.upload(content, target, meter, journal)
        self._metrics.took(Span.UPLOAD, (self._clock.now() - began).total_seconds())
        return uploaded
