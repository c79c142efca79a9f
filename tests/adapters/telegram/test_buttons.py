"""Rows of buttons."""

from bot.adapters.telegram.buttons import Action, Button, rows


def test_rows_are_filled_in_order() -> None:
    """Four in a row, the rest below; no buttons make no rows."""
    buttons = [Button(str(number)) for number in range(6)]

    assert (tuple(buttons[:4]), tuple(buttons[4:])) == rows(buttons)
    assert rows([]) == ()


def test_actions_never_change_their_names() -> None:
    """The values are in buttons that are out there."""
    assert [action.value for action in Action] == ["cancel", "delete"]
