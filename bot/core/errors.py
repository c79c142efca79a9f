"""The tree of errors of the program.

    RelayError                      has `code` and `permanent`
    ├ Rejected                      the request cannot be served; a retry cannot help
    │ ├ FileTooLarge                file_too_large
    │ ├ FileEmpty                   file_empty
    │ └ SpoolQuotaTooSmall          spool_quota_too_small
    ├ SourceError                   Telegram did not give us the file
    │ ├ SourceUnavailable           source_unavailable      (transient)
    │ ├ SourceGone                  source_gone
    │ └ SizeMismatch                size_mismatch           (transient: the next may be whole)
    ├ DiskError                     the spool could not take the bytes
    │ └ DiskFull                    disk_full               (transient)
    ├ StoreError                    OSS did not take or give the bytes
    │ ├ StoreUnavailable            store_unavailable       (transient)
    │ │ ├ CertificateRefused        certificate_refused     (transient)
    │ │ └ StoreIntercepted          store_intercepted       (transient)
    │ ├ StoreThrottled              store_throttled         (transient)
    │ ├ ClockSkewed                 clock_skewed            (transient: corrected on the way)
    │ ├ Corrupted                   corrupted               (transient)
    │ ├ UploadGone                  upload_gone             (transient: begun anew)
    │ ├ ObjectGone                  object_gone             (transient: relayed as usual)
    │ ├ StoreForbidden              store_forbidden
    │ │ ├ PublicAccessBlocked       public_access_blocked
    │ │ └ RefererRefused            referer_refused
    │ ├ StoreKeyRefused             store_key_refused
    │ ├ BucketMissing               bucket_missing
    │ ├ WrongRegion                 wrong_region
    │ ├ AccountOverdue              account_overdue
    │ └ StoreRefused                store_refused
    │   ├ ObjectArchived            object_archived
    │   └ ObjectRetained            object_retained
    ├ LedgerError                   the program cannot work on its ledger
    │ ├ LedgerUnusable              ledger_unusable
    │ │ └ LedgerClosed              ledger_closed: raised while the process ends
    │ ├ LedgerLocked                ledger_locked
    │ └ LedgerTooNew                ledger_too_new
    ├ ChatError                     a message could not be placed
    │ ├ ChatUnavailable             chat_unavailable        (transient)
    │ ├ ChatFlooded                 chat_flooded            (transient)
    │ ├ ChatUncertain               chat_uncertain          (transient: it may have been placed)
    │ ├ ChatMoved                   chat_moved              (transient)
    │ ├ ChatGone                    chat_gone
    │ ├ MessageGone                 message_gone
    │ └ MessageRefused              message_refused
    ├ TransferCancelled             transfer_cancelled: raised inside a thread that must stop
    ├ Crashed                       crashed: the process died again and again while it ran
    └ Unexpected                    unexpected: no error of this tree (transient for a few tries)

Codes are stable: they are stored in the ledger, named in the documentation and never renamed. No
error carries a sentence for users; the locale files have one for every code
(`tests/adapters/telegram/test_texts.py` holds it).
"""

from typing import ClassVar


class RelayError(Exception):
    """Root of the tree. `code` is stable; `permanent` says that trying again cannot help."""

    code: ClassVar[str] = "relay_error"
    permanent: ClassVar[bool] = True


class Rejected(RelayError):
    """The request cannot be served; a retry cannot help."""

    code = "rejected"


class FileTooLarge(Rejected):
    """The file is over a limit; `size` and `limit` are bytes, `size` is `None` if it is
    unknown.
    """

    code = "file_too_large"

    def __init__(self, size: int | None, limit: int) -> None:
        super().__init__(f"{size if size is not None else 'unknown'} bytes, limit {limit}")
        self.size = size
        self.limit = limit


class FileEmpty(Rejected):
    """The file has no bytes; OSS cannot complete a multipart upload without any."""

    code = "file_empty"


class SpoolQuotaTooSmall(Rejected):
    """The file alone is larger than the whole spool may become."""

    code = "spool_quota_too_small"


class SourceError(RelayError):
    """Telegram did not give us the file."""

    code = "source_error"


class SourceUnavailable(SourceError):
    """The download broke or Telegram was out of reach; another try may work."""

    code = "source_unavailable"
    permanent = False


class SourceGone(SourceError):
    """Telegram does not know this file (any more)."""

    code = "source_gone"


class SizeMismatch(SourceError):
    """The number of bytes that arrived differs from the announced one; both counts are bytes."""

    code = "size_mismatch"
    permanent = False

    def __init__(self, announced: int, received: int) -> None:
        super().__init__(f"announced {announced} bytes, received {received}")
        self.announced = announced
        self.received = received


class DiskError(RelayError):
    """The spool could not take the bytes."""

    code = "disk_error"
    permanent = False


class DiskFull(DiskError):
    """No space is left, or less than the floor that must stay free."""

    code = "disk_full"


class StoreError(RelayError):
    """OSS did not take or give the bytes; `delay` is the number of seconds for which it asked to
    wait, 0 where it asked for none.
    """

    code = "store_error"
    delay: float = 0.0


class StoreUnavailable(StoreError):
    """A connection failed, stalled or timed out, or OSS answered with a 5xx."""

    code = "store_unavailable"
    permanent = False


class StoreIntercepted(StoreUnavailable):
    """Something between us and OSS answered in its place (a proxy, a portal, a firewall): what it
    says is nothing that OSS said. The message names host and status.
    """

    code = "store_intercepted"


class CertificateRefused(StoreUnavailable):
    """The certificate of the host does not prove its name: expired, for another name, or of an
    unknown issuer. The message has the reason.
    """

    code = "certificate_refused"


class StoreThrottled(StoreError):
    """OSS asks to slow down."""

    code = "store_throttled"
    permanent = False

    def __init__(self, message: str, delay: float = 0.0) -> None:
        super().__init__(message)
        self.delay = delay


class ClockSkewed(StoreError):
    """OSS refused our time; the offset has been taken from its `Date` header, so the next try may
    work.
    """

    code = "clock_skewed"
    permanent = False


class Corrupted(StoreError):
    """A CRC-64 that OSS computed differs from ours."""

    code = "corrupted"
    permanent = False


class UploadGone(StoreError):
    """OSS does not know the upload id: it was completed or aborted."""

    code = "upload_gone"
    permanent = False


class ObjectGone(StoreError):
    """The object to copy does not exist any more."""

    code = "object_gone"
    permanent = False


class StoreForbidden(StoreError):
    """The key is valid but lacks the permission for this operation."""

    code = "store_forbidden"


class PublicAccessBlocked(StoreForbidden):
    """Public access is blocked, by the bucket or by the account: OSS takes nothing public."""

    code = "public_access_blocked"


class RefererRefused(StoreForbidden):
    """The referer whitelist of the bucket refuses requests without a Referer, such as ours."""

    code = "referer_refused"


class StoreKeyRefused(StoreError):
    """The access key is unknown, disabled, or its secret is wrong."""

    code = "store_key_refused"


class BucketMissing(StoreError):
    """There is no bucket of this name."""

    code = "bucket_missing"


class WrongRegion(StoreError):
    """The bucket is in another region; the message names the endpoint that OSS suggests."""

    code = "wrong_region"


class AccountOverdue(StoreError):
    """The Alibaba Cloud account is overdue or frozen."""

    code = "account_overdue"


class StoreRefused(StoreError):
    """OSS refused for a reason that has no class of its own; the message has its code and EC."""

    code = "store_refused"


class ObjectArchived(StoreRefused):
    """The object is of an archive class, and can be read only after it was restored."""

    code = "object_archived"


class ObjectRetained(StoreRefused):
    """A retention policy (WORM) of the bucket forbids to change or delete the object."""

    code = "object_retained"


class LedgerError(RelayError):
    """The program cannot work on its ledger."""

    code = "ledger_error"


class LedgerUnusable(LedgerError):
    """The ledger cannot be opened, read or written. `place` is its file, or names its server.

    `reason` is the message of the system or of the database, without any value of a statement.
    """

    code = "ledger_unusable"

    def __init__(self, place: object, reason: str) -> None:
        super().__init__(f"the ledger {place} cannot be used: {reason}")
        self.place = place
        self.reason = reason


class LedgerClosed(LedgerUnusable):
    """The ledger did not work, or an operation was not begun, when the process ended; the next
    start goes on with what is stored.
    """

    code = "ledger_closed"


class LedgerLocked(LedgerError):
    """Another process runs on this ledger; two bots on one ledger would do every job twice."""

    code = "ledger_locked"


class LedgerTooNew(LedgerError):
    """The ledger was written by a newer version of this program and has tables unknown to this
    one.
    """

    code = "ledger_too_new"


class ChatError(RelayError):
    """A message could not be placed, changed or removed."""

    code = "chat_error"


class ChatUnavailable(ChatError):
    """Telegram was out of reach; the message was certainly not placed."""

    code = "chat_unavailable"
    permanent = False


class ChatFlooded(ChatError):
    """A flood limit was hit; `delay` is the number of seconds to wait."""

    code = "chat_flooded"
    permanent = False

    def __init__(self, delay: float) -> None:
        super().__init__(f"retry after {delay} s")
        self.delay = delay


class ChatUncertain(ChatError):
    """The outcome is unknown; the message may have been placed. `answered` says that the service
    did answer, with something that cannot be read: no outage.
    """

    code = "chat_uncertain"
    permanent = False

    def __init__(self, message: str, *, answered: bool = False) -> None:
        super().__init__(message)
        self.answered = answered


class ChatMoved(ChatError):
    """The group became a supergroup with the id `chat_id`."""

    code = "chat_moved"
    permanent = False

    def __init__(self, chat_id: int) -> None:
        super().__init__(f"moved to {chat_id}")
        self.chat_id = chat_id


class ChatGone(ChatError):
    """The bot was blocked, kicked, or the chat does not exist."""

    code = "chat_gone"


class MessageGone(ChatError):
    """The message to change does not exist any more or cannot be changed."""

    code = "message_gone"


class MessageRefused(ChatError):
    """Telegram refused the text or the markup: a defect of ours."""

    code = "message_refused"


class TransferCancelled(RelayError):
    """The transfer of this thread must stop; raised where bytes are read."""

    code = "transfer_cancelled"


class Crashed(RelayError):
    """The process died repeatedly while the job ran; the job is parked, so that other jobs go
    on.
    """

    code = "crashed"


class Unexpected(RelayError):
    """An error that is not of this tree: a defect of ours, or of the machine, such as want of
    memory or threads. The log has the traceback.
    """

    code = "unexpected"
    permanent = False


def all_codes(root: type[RelayError] = RelayError) -> frozenset[str]:
    """Return the code of every class in the tree, or in the part below `root`."""

    def walk(cls: type[RelayError]) -> set[str]:
        return {cls.code}.union(*(walk(sub) for sub in cls.__subclasses__()))

    return frozenset(walk(root))


class PortTaken(Exception):
    """Another program listens there, or the address does not belong to this machine."""


def leaf(group: ExceptionGroup[Exception]) -> Exception:
    """Return the one error of a group that callers should see: a named one before an unexpected
    one.

    A `TaskGroup` wraps even a single error; callers unwrap it with this function.
    """
    errors = [
        leaf(error) if isinstance(error, ExceptionGroup) else error for error in group.exceptions
    ]
    named = [error for error in errors if isinstance(error, RelayError)]
    # A permanent error explains more than the transient ones that it caused elsewhere.
    named.sort(key=lambda error: not error.permanent)
    return (named or errors)[0]
