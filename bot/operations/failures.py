"""Why a command cannot do its work."""


class OperationImpossible(Exception):
    """The command cannot do its work here; the text says why."""
