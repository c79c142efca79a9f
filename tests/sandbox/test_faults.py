"""The script of faults."""

from bot.sandbox.faults import Effect, Fault, FaultScript


def test_strikes_once_by_default() -> None:
    """A line strikes the first request that it speaks of, once."""
    script = FaultScript()
    fault = script.add(Fault("getFile", Effect.RESET))
    taken = [script.take(name, {}) for name in ("getMe", "getFile", "getFile")]

    assert [None, fault, None] == taken
    assert fault.hits == 1


def test_skip_and_times() -> None:
    """The first `skip` requests pass, the next `times` are hit."""
    script = FaultScript()
    fault = script.add(Fault("*", Effect.RESET, times=2, skip=1))
    taken = [script.take("anything", {}) for _ in range(4)]

    assert [None, fault, fault, None] == taken


def test_for_ever() -> None:
    """Zero times means every time, until the script is cleared."""
    script = FaultScript()
    fault = script.add(Fault("*", Effect.RESET, times=0))
    taken = [script.take("x", {}) for _ in range(5)]
    script.clear()

    assert [fault] * 5 == taken
    assert script.take("x", {}) is None


def test_where_compares_as_text() -> None:
    """Parameters are a subset, compared as text, so 7 and "7" are the same."""
    script = FaultScript()
    fault = script.add(Fault("sendMessage", Effect.RESET, where={"chat_id": "7"}))
    other = script.take("sendMessage", {"chat_id": 8})

    assert other is None
    assert fault is script.take("sendMessage", {"chat_id": 7, "text": "x"})


def test_first_line_first() -> None:
    """Of several lines that match, the earlier strikes; a used-up one makes room."""
    script = FaultScript()
    first = script.add(Fault("*", Effect.RESET))
    second = script.add(Fault("*", Effect.LOST))

    assert [first, second, None] == [script.take("x", {}) for _ in range(3)]
