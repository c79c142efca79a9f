"""The last request of a multipart upload, whose answer may be lost while it succeeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bot.core.errors import Corrupted, StoreError, StoreUnavailable, UploadGone
from bot.core.ports.store import ObjectMeta, PartReceipt
from bot.transfer.crc64 import CrcCombiner
from bot.transfer.flag import working_for
from bot.transfer.line import StoreCaller, check_crc64
from bot.transfer.multipart import OpenUpload

BOTH_GONE_AFTER: Final = 3
"""How often upload and object must both be missing before it is believed: between the two, OSS may
be busy putting the object together.
"""


@dataclass(frozen=True, slots=True)
class Uploaded:
    """An object that is certainly there: `size` in bytes, `crc64` of all of it."""

    size: int
    crc64: int


def expect(parts: Sequence[PartReceipt], part_size: int) -> Uploaded:
    """Return what OSS must have once the verified `parts` (ascending, of `part_size` bytes but for
    the last) are put together.
    """
    combiner = CrcCombiner(part_size)
    crc64 = 0
    for part in parts:
        crc64 = combiner.append(crc64, part.crc64 or 0, part.size)
    return Uploaded(sum(part.size for part in parts), crc64)


class Completion:
    """Sends Complete until its outcome is known.

    OSS goes on with a Complete whose client has gone, and the upload id becomes invalid by it
    (source: OSS API reference, "CompleteMultipartUpload"). So after a lost answer, and after
    `UploadGone`, the object itself is looked at. A missing object proves nothing while the upload
    still exists: Complete is repeated until it succeeds, or until both are gone.

    The rule for a cancel: before the first Complete is sent, it wins. Afterwards it loses against
    success: the request that is under way is never cut, and an object that is there is reported
    as uploaded. Only while attempts fail does a cancel end the waiting between them.
    """

    def __init__(
        self,
        line: StoreCaller,
        upload: OpenUpload,
        meta: ObjectMeta,
        parts: Sequence[PartReceipt],
        expected: Uploaded,
    ) -> None:
        self._line = line
        self._upload = upload
        self._meta = meta
        self._parts = parts
        self._expected = expected

    async def settle(self) -> Uploaded:
        """Complete the upload. A cancel that comes too late is forgotten, as said above.

        Raises:
            UploadGone: neither the upload nor its object exists.
            Corrupted: the object is there, but its bytes are not ours.
            StoreError: the attempts are used up, or an error is permanent; the object may or may
                not be there.
        """
        return await self._line.pool.run(self._settle, self._line.flag, result_wins=True)

    def _settle(self) -> Uploaded:
        self._line.flag.raise_if_set()
        failures = absences = 0
        while True:
            try:
                return self._complete()
            except Corrupted:
                raise
            except StoreError as error:
                failures += 1
                found = self._look(error)
                absences += found is False and isinstance(error, UploadGone)
                if found:
                    return self._expected
                if absences >= BOTH_GONE_AFTER:
                    raise
                self._line.policy.pause(failures, error, self._line.flag)

    def _complete(self) -> Uploaded:
        with working_for(None):
            crc64 = self._line.store.complete(
                self._upload.key, self._upload.upload_id, self._parts, self._meta
            )
        if crc64 is not None:  # Every part was compared already; this is the second lock.
            check_crc64(crc64, self._expected.crc64, "the object")
        return self._expected

    def _look(self, error: StoreError) -> bool | None:
        """Say whether the object is there after `error`; `None` if that cannot be told now."""
        if not isinstance(error, UploadGone | StoreUnavailable):
            return None
        try:
            with working_for(None):
                return self._is_stored()
        except StoreError as second:
            if second.permanent or isinstance(second, Corrupted):
                raise
            return None

    def _is_stored(self) -> bool:
        stat = self._line.store.head(self._upload.key)
        if stat is None:
            return False
        if stat.size != self._expected.size:
            raise Corrupted(f"the object has {stat.size} bytes, the file {self._expected.size}")
        check_crc64(stat.crc64, self._expected.crc64, "the object")
        return True
