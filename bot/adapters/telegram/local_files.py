"""Files from a Bot API server of one's own that runs with `--local`: read where they are, never
copied, and removed when they have been relayed.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import structlog

from bot.adapters.telegram.local_content import LocalContent
from bot.adapters.telegram.local_copies import ServerCopies
from bot.adapters.telegram.local_server import LocalServer
from bot.core.errors import DiskError, FileEmpty, FileTooLarge, RelayError
from bot.core.files import IncomingFile
from bot.core.progress import Phase, ProgressMeter
from bot.transfer.flag import CancelFlag
from bot.transfer.pool import TransferPool, to_the_end

log = structlog.get_logger(__name__)

Unfinished = Callable[[], Awaitable[Mapping[int, str]]]
"""Returns the id and the `file_unique_id` of every job that is not finished."""


class LocalFiles:
    """A `FileSource` in local mode. Lives in one event loop; blocking work is done in `pool`.

    `keeps` is set when the process stops: from then on copies stay for the next start. So does
    that of an attempt which may be repeated; if it is not, `sweep` finds it, at the end of another
    job or at the next start.
    """

    def __init__(
        self,
        server: LocalServer,
        copies: ServerCopies,
        pool: TransferPool,
        *,
        unfinished: Unfinished,
    ) -> None:
        self.keeps = False
        self._server = server
        self._copies = copies
        self._pool = pool
        self._unfinished = unfinished
        self._running: dict[int, str] = {}

    @property
    def limit(self) -> int:
        """The largest file in bytes."""
        return self._server.limit

    async def sweep(self, *, over: int | None = None) -> int:
        """Remove the copies that no unfinished job needs; return of how many jobs they were.

        The job `over` counts as finished, whatever the ledger still says.

        Raises:
            DiskError: the notes cannot be read or removed.
        """
        # Running ones too: one may have begun after the ledger was asked.
        unfinished = {**await self._unfinished(), **self._running}
        if over is not None:
            unfinished.pop(over, None)
        return await self._pool.run(lambda: self._copies.sweep(unfinished), CancelFlag())

    @asynccontextmanager
    async def open(
        self, job_id: int, file: IncomingFile, meter: ProgressMeter
    ) -> AsyncIterator[LocalContent]:
        """Hand over a file that the server will have; on exit its copy is removed, unless it is
        needed again. Takes no room in the spool.

        Raises:
            FileTooLarge, FileEmpty: Telegram has announced it so; nothing is asked for.
        """
        if file.size is not None and file.size > self.limit:
            raise FileTooLarge(file.size, self.limit)
        if file.size == 0:
            raise FileEmpty("announced as empty")
        meter.total, meter.downloaded, meter.phase = file.size, 0, Phase.FETCHING
        content = LocalContent(self._server, self._copies, self._pool, job_id, file, meter)
        self._running[job_id] = file.file_unique_id
        is_over = True
        try:
            yield content
        except RelayError as error:
            is_over = error.permanent
            raise
        finally:
            del self._running[job_id]
            content.close()
            if not self.keeps:
                await to_the_end(self._tidy_up(job_id if is_over else None))

    async def _tidy_up(self, over: int | None) -> None:
        try:
            await self.sweep(over=over)
        except DiskError as error:
            # Not worth more than the result of the job; the next sweep finds what is left.
            log.warning("server_copies_left", reason=str(error))
