"""Rows of buttons."""

from bot.adapters.telegram.buttons import Action, Button, JobButton, only_presses, rows
from bot.core.ports.views import Listing


def test_rows_are_filled_in_order() -> None:
    """Four in a row, the rest below; no buttons make no rows."""
    buttons = [Button(str(number)) for number in range(6)]

    assert (tuple(buttons[:4]), tuple(buttons[4:])) == rows(buttons)
    assert rows([]) == ()


def test_actions_never_change_their_names() -> None:
    """The values are in buttons that have been sent already."""
    assert [action.value for action in Action] == ["cancel", "delete", "cancelall"]
    assert [listing.value for listing in Listing] == ["status", "links"]


def test_only_presses_leaves_out_what_opens_and_copies() -> None:
    """Buttons that press stay in their rows; rows that would be empty go."""
    delete = Button("Delete", press=JobButton(Action.DELETE, 7))
    buttons = ((Button("Open", url="https://x.example"),), (Button("Copy", copies="x"), delete))

    assert only_presses(buttons) == ((delete,),)
