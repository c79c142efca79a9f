"""Which updates are done with."""


class ProcessedUpdates:
    """Which updates are done with: `process_update` swallows exceptions, so its return proves
    nothing.

    An update that nobody has marked is delivered again; `take_error` tells why it failed.
    """

    def __init__(self) -> None:
        self._done: set[int] = set()
        self._errors: dict[int, BaseException] = {}

    def done(self, update_id: int) -> None:
        """Mark an update: it is in the ledger, or deliberately ignored."""
        self._done.add(update_id)

    def failed(self, update_id: int, error: BaseException) -> None:
        """Remember why a handler failed."""
        self._errors[update_id] = error

    def take(self, update_id: int) -> bool:
        """Say whether the update is done with, and forget the mark."""
        if update_id not in self._done:
            return False
        self._done.remove(update_id)
        self._errors.pop(update_id, None)
        return True

    def take_error(self, update_id: int) -> BaseException | None:
        """Return the last error of an update, and forget it."""
        return self._errors.pop(update_id, None)
