"""Jobs that come from a shell and not from a chat."""

import secrets
from typing import Final

from bot.core.files import FileKind, IncomingFile, clean_name
from bot.core.jobs import Origin

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
        size=size,
    )
