"""A job: one file of one message on its way to one link. Jobs of `relay-bot send` come from a
shell instead of a chat.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum
from typing import Final

from bot.core.files import FileKind, IncomingFile, clean_name


class JobState(StrEnum):
    """Where a job stands. Every state but the first two is final."""

    QUEUED = "queued"
    """Waits for its turn, or for the moment of its next attempt."""
    RUNNING = "running"
    """One runner owns it; the attempt number is its fence."""
    DONE = "done"
    """The object is complete and checked, the link exists."""
    FAILED = "failed"
    """Given up with an error code."""
    CANCELLED = "cancelled"
    """Stopped by its user, or because its chat is gone."""

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to the job."""
        return self not in {JobState.QUEUED, JobState.RUNNING}


class StopReason(Enum):
    """Why a running job is stopped (DESIGN: one way in, one way out, two reasons)."""

    USER = "user"
    """Undo everything: upload, object, spool."""
    SHUTDOWN = "shutdown"
    """Keep upload id, parts, spool and state for the next start."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a job came from. These five never change; migration of a group changes only where
    answers go.

    `chat_id` and `message_id` name the requesting message, `owner_id` the user (or the chat that
    sent as itself) to whom the job belongs, `thread_id` the forum topic or `None`, `language` an
    IETF tag as Telegram gave it, or "", `album` what ties the files of one album together.
    """

    bot_id: int
    chat_id: int
    message_id: int
    owner_id: int
    thread_id: int | None = None
    language: str = ""
    album: str | None = None

    @property
    def is_private(self) -> bool:
        """Whether it came from the chat of one person (groups and channels have negative ids)."""
        return self.chat_id > 0

    @property
    def group_id(self) -> int | None:
        """The id of the group that it came from, `None` for a private chat."""
        return None if self.is_private else self.chat_id


@dataclass(frozen=True, slots=True)
class Job:
    """A row of the ledger, as it was when it was read.

    `attempt` counts acquisitions and is the fence of every later write. `failures` counts attempts
    that ended in an error. `size` (bytes), `sha256` (hex) and `finished_at` are set once the job
    is done; `error_code` once it failed (or as the reason of the wait for the next attempt), with
    the variables of its sentence in `error_args`. `status_message_id` is the status card that
    shows it, if any, `boot_id` the boot of the machine in which it last ran: spool bytes of an
    earlier boot are not trusted.
    """

    id: int
    origin: Origin
    file: IncomingFile
    state: JobState
    attempt: int
    failures: int
    created_at: datetime
    run_at: datetime
    error_code: str | None = None
    error_args: dict[str, int] = field(default_factory=dict)
    size: int | None = None
    sha256: str | None = None
    finished_at: datetime | None = None
    status_message_id: int | None = None
    answer_id: int | None = None
    boot_id: str = ""


SHELL: Final = 0
"""Chat and owner of such a job: Telegram gives this id to nobody, so nobody is told of it, owns it
or can end it from a chat.
"""


def shell_origin(bot_id: int) -> Origin:
    """Return where a job from a shell comes from."""
    return Origin(bot_id=bot_id, chat_id=SHELL, message_id=SHELL, owner_id=SHELL)


def shell_file(name: str, *, mime_type: str | None, size: int | None) -> IncomingFile:
    """Describe a file of this machine; two of them are never the same file."""
    unique = f"shell-{secrets.token_hex(16)}"
    return IncomingFile(
        file_id=unique,
        file_unique_id=unique,
        kind=FileKind.DOCUMENT,
        name=clean_name(name, fallback="file.bin"),
        mime_type=mime_type,
        announced_size=size,
    )
