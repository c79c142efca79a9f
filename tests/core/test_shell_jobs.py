"""Jobs that come from a shell."""

from bot.core.jobs import SHELL, shell_file, shell_origin


def test_nobody_owns_it() -> None:
    """The id of a shell is that of no chat and no user."""
    origin = shell_origin(7)

    assert (origin.chat_id, origin.owner_id, SHELL, origin.is_private) == (0, 0, 0, False)


def test_no_two_are_the_same_file() -> None:
    """A file that is sent twice is two files: nothing is copied, nothing refused."""
    one, two = (shell_file("a.txt", mime_type="text/plain", size=1) for _ in range(2))

    assert one.file_unique_id != two.file_unique_id


def test_names_are_cleaned() -> None:
    """Names are as safe as those from a chat."""
    assert shell_file("../../x\n.txt", mime_type=None, size=None).name == "x.txt"
