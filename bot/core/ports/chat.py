"""The chat service: messages, groups and their members, and files. The views that are sent are in
`views`.
"""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bot.core.files import IncomingFile
from bot.core.jobs import ProgressMeter
from bot.core.ports.views import (
    Answer,
    Notice,
    View,
)


@dataclass(frozen=True, slots=True)
class Place:
    """The destination of a message: chat, forum topic (or `None`), and the message to reply to (or
    `None`).
    """

    chat_id: int
    thread_id: int | None = None
    reply_to: int | None = None


class Reaction(StrEnum):
    """A reaction of the bot on the message that brought a file. Stored in the ledger: never
    rename.
    """

    ACCEPTED = "accepted"
    DONE = "done"
    NONE = "none"
    """No link was made; the answer has the reason."""


class Messenger(Protocol):
    """Sends, edits and deletes messages. One call is one attempt; texts are in `language`.

    Raises `ChatFlooded`, `ChatUnavailable`, `ChatUncertain`, `ChatMoved`, `ChatGone`,
    `MessageRefused`.
    """

    async def send(
        self,
        place: Place,
        view: View,
        *,
        language: str,
        silent: bool = False,
        plain: bool = False,
    ) -> int:
        """Place a message and return its id. A reply to a message that is gone is placed too.

        A `plain` one has neither formatting nor buttons; links stand in its text.
        """

    async def edit(
        self, chat_id: int, message_id: int, view: View, *, language: str, plain: bool = False
    ) -> None:
        """Edit a message; unchanged text is no error. Raises `MessageGone`."""

    async def delete(self, chat_id: int, message_id: int) -> None:
        """Delete a message; a message that is gone is no error."""

    async def answer_press(self, query_id: str, notice: Notice | None, *, language: str) -> None:
        """Answer a callback query, without a text if there is no `notice`; an expired query is no
        error.
        """

    async def react(self, chat_id: int, message_id: int, reaction: Reaction) -> None:
        """Set the bot's reaction on a message, in place of the one before. Raises `MessageRefused`
        where the chat does not allow it.
        """

    async def probe(self) -> None:
        """Ask the service for something that changes nothing; return when it has answered."""

    def fit(
        self, answer: Answer, *, language: str, together: bool = False, plain: bool = False
    ) -> int:
        """Return how many leading items (at least 1) fit into one message. Items that belong
        `together`, as those of an album, use shorter texts where that makes room for all.
        """


@dataclass(frozen=True, slots=True)
class GroupVisibility:
    """The bot's membership in a group: `is_here` whether it is a member, `sees_files` whether it
    receives messages that are not addressed to it.
    """

    is_here: bool
    sees_files: bool = False


class Members(Protocol):
    """Queries about groups, and leaving them. One call is one attempt.

    Raises `ChatFlooded`, `ChatUnavailable`, `ChatUncertain`, `ChatMoved`, `ChatGone`,
    `MessageRefused` (there is no such person).
    """

    async def is_admin(self, chat_id: int, user_id: int) -> bool:
        """Return whether a user is an administrator of a group."""

    async def sight(self, chat_id: int) -> GroupVisibility:
        """Return the bot's membership in a group. A group that it is not in is no error."""

    async def leave(self, chat_id: int) -> None:
        """Leave a group; a group that the bot is not in is no error."""


@dataclass(frozen=True, slots=True)
class Digest:
    """Size and checksum of the file that arrived: `size` in bytes, `sha256` in hex."""

    size: int
    sha256: str


class Content(Protocol):
    """The bytes of one file on this machine, growing while they arrive or complete from the start.

    One coroutine fills it, one upload reads it. `pread` may be called from any thread.
    """

    @property
    def size(self) -> int | None:
        """Size of the whole file in bytes, as announced or known; `None` if unknown."""

    @property
    def largest(self) -> int:
        """Upper bound of the file's size in bytes."""

    @property
    def is_whole(self) -> bool:
        """Whether the whole file is on disk."""

    async def fill(self) -> Digest:
        """Fetch every byte (or read the file once if it is on this machine) and return its digest.

        Raises `SourceUnavailable`, `SourceGone`, `SizeMismatch`, `FileTooLarge`, `FileEmpty`,
        `DiskFull`.
        """

    async def wait_for(self, end: int) -> int:
        """Wait until the bytes before offset `end` are on disk or the file is whole; return the
        bytes on disk.

        If filling fails meanwhile, raises the same error as `fill`.
        """

    def pread(self, count: int, offset: int) -> bytes:
        """Read up to `count` bytes at `offset`, which must be on disk. Blocks; call it from a
        thread.
        """


class FileSource(Protocol):
    """Opens the files of the chat service."""

    @property
    def limit(self) -> int:
        """Return the largest file in bytes that the source can open."""

    def open(
        self, job_id: int, file: IncomingFile, meter: ProgressMeter
    ) -> AbstractAsyncContextManager[Content]:
        """Reserve room for the file and open its content; remove its bytes from this machine on
        exit.

        Entering may wait for room. Raises `SpoolQuotaTooSmall`, `DiskFull`. `meter.downloaded`
        counts the bytes.
        """
