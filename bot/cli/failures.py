"""Why a command cannot do its work."""

from pathlib import Path

from bot.adapters.ledger.errors import opening


class CommandFailed(Exception):
    """The command cannot do its work here; the text says why."""


def require_ledger(path: Path) -> None:
    """Refuse to go on where no bot has ever made a ledger.

    Raises:
        OperationImpossible: nothing is at `path`.
        LedgerUnusable: the system does not let this user look.
    """
    with opening(path):
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise CommandFailed(
                f"there is no ledger at {path}; has the bot ever run here?"
            ) from error
