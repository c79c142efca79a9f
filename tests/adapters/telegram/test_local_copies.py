"""Files of a local server: never outside its folder, and removed once they are not needed."""

import os
from pathlib import Path

import pytest

from bot.adapters.telegram import local_copies
from bot.adapters.telegram.local_copies import CopyRecords, FileRoot, ServerCopies, ServerCopy
from bot.core.errors import DiskError, SourceGone, SourceUnavailable


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of a server with a file in it."""
    folder = tmp_path / "server" / "123:token" / "documents"
    folder.mkdir(parents=True)
    (folder / "file_0.pdf").write_bytes(b"content")
    return tmp_path / "server"


def copies_in(tmp_path: Path) -> ServerCopies:
    """Make the copies of a server with the folder `tmp_path/server`."""
    return ServerCopies(FileRoot(tmp_path / "server", {}), CopyRecords(tmp_path / "notes"))


def test_locate(root: Path) -> None:
    """A path of the server is a path here, where nothing is mapped."""
    path = root / "123:token" / "documents" / "file_0.pdf"

    assert path.resolve() == FileRoot(root, {}).locate(str(path))


def test_mapped(root: Path) -> None:
    """The longest mapping that matches counts, by whole parts of the path."""
    paths = {
        "/var/lib": Path("/nowhere"),
        "/var/lib/telegram-bot-api": root,
        "/var/lib/telegram": Path("/elsewhere"),
    }

    found = FileRoot(root, paths).locate(
        "/var/lib/telegram-bot-api/123:token/documents/file_0.pdf"
    )

    assert (root / "123:token" / "documents" / "file_0.pdf").resolve() == found


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "{root}/../secret", "{root}/link", "{root}/out/x"]
)
def test_outside(root: Path, path: str) -> None:
    """Neither dots nor links lead out of the folder."""
    (root.parent / "secret").write_text("x")
    (root.parent / "x").write_text("x")
    (root / "link").symlink_to(root.parent / "secret")
    (root / "out").symlink_to(root.parent)

    with pytest.raises(SourceGone, match="file_root"):
        FileRoot(root, {}).locate(path.format(root=root))


def test_link_inside(root: Path, tmp_path: Path) -> None:
    """Links within the folder are allowed, and so is one to the folder."""
    (tmp_path / "alias").symlink_to(root)
    (root / "link").symlink_to(root / "123:token" / "documents" / "file_0.pdf")
    files = FileRoot(tmp_path / "alias", {})

    with os.fdopen(files.open(files.locate(str(tmp_path / "alias" / "link"))), "rb") as opened:
        assert opened.read() == b"content"


def test_not_there(root: Path) -> None:
    """A file that is not there (any more) may be there after the next question."""
    files = FileRoot(root, {})
    with pytest.raises(SourceUnavailable, match="No such file"):
        files.locate(str(root / "gone"))
    with pytest.raises(SourceUnavailable, match="No such file"):
        files.open(root / "gone")


def test_relative(root: Path) -> None:
    """A relative path is that of a server in cloud mode."""
    with pytest.raises(SourceGone, match="cloud"):
        FileRoot(root, {}).locate("documents/file_0.pdf")


def test_remove_only_inside(root: Path, tmp_path: Path) -> None:
    """A file outside of the folder is not removed; removing a missing file is no error."""
    secret = tmp_path / "secret"
    secret.write_text("x")
    files = FileRoot(root, {})
    files.remove(secret)
    files.remove(root / "gone")

    assert secret.exists()


def test_remove_in_vain(root: Path) -> None:
    """A copy that cannot be removed is no reason to fail."""
    FileRoot(root, {}).remove(root / "123:token")

    assert (root / "123:token").is_dir()


def test_notes(tmp_path: Path) -> None:
    """Notes survive as they were written, strange names too."""
    notes = CopyRecords(tmp_path / "notes")
    assert notes.read() == {}
    copies = {7: ServerCopy("AgAD", Path("/a b/\nü")), 8: ServerCopy("AgAE", Path("/c"))}
    for job_id, copy in copies.items():
        notes.write(job_id, copy)
    (tmp_path / "notes" / "7.part").touch()
    assert copies == CopyRecords(tmp_path / "notes").read()

    notes.forget(7)
    notes.forget(7)

    assert {8: copies[8]} == notes.read()


def test_notes_without_a_place(tmp_path: Path) -> None:
    """A folder that cannot be made is a `DiskError`."""
    (tmp_path / "notes").write_text("in the way")
    with pytest.raises(DiskError):
        CopyRecords(tmp_path / "notes").write(7, ServerCopy("AgAD", Path("/x")))


def take(copies: ServerCopies, job_id: int, unique_id: str, path: Path) -> None:
    """Let a job open a file, and close it."""
    os.close(copies.take(job_id, unique_id, str(path)))


def test_sweep(root: Path, tmp_path: Path) -> None:
    """Copies go when no unfinished job has them or will ask for the same file."""
    copies = copies_in(tmp_path)
    files = [root / name for name in ("a", "b", "c", "d")]
    for number, file in enumerate(files):
        file.write_text("x")
        take(copies, number, f"u{number}", file)
    take(copies, 10, "u3-again", files[3])

    # 0 is over; 1 runs; 2 is over, but 9 waits for the same file; 3 is over, but 10 has it too.
    assert copies.sweep({1: "u1", 9: "u2", 10: "u3-again"}) == 1
    assert [file.exists() for file in files] == [False, True, True, True]
    assert copies.sweep({}) == 4
    assert [file.exists() for file in files] == [False] * 4
    assert copies.sweep({}) == 0


def test_sweep_of_a_torn_note(root: Path, tmp_path: Path) -> None:
    """A note that a crash cut off is dropped, and nothing is removed for it."""
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "7.copy").touch()

    assert copies_in(tmp_path).sweep({}) == 1
    assert root.is_dir()
    assert list((tmp_path / "notes").iterdir()) == []


def test_noted_before_it_is_opened(root: Path, tmp_path: Path) -> None:
    """A crash between note and opening leaves a note, never a copy without one."""
    copies = copies_in(tmp_path)
    file = root / "a"
    file.symlink_to(root / "123:token" / "documents" / "file_0.pdf")
    os.close(copies.take(7, "u", str(file)))

    assert CopyRecords(tmp_path / "notes").read()[7].file_unique_id == "u"


def _swap(root: Path, outside: Path) -> None:
    """Put a link to a folder outside in the place of the server's folder."""
    (root / "123:token").rename(root.parent / "moved")
    (outside / "documents").mkdir(parents=True)
    (outside / "documents" / "file_0.pdf").write_bytes(b"a secret")
    (root / "123:token").symlink_to(outside)


def test_folder_swapped_before_open(root: Path, tmp_path: Path) -> None:
    """A folder that becomes a link after the check leads nowhere."""
    files = FileRoot(root, {})
    place = files.locate(str(root / "123:token" / "documents" / "file_0.pdf"))
    _swap(root, tmp_path / "outside")

    with pytest.raises(SourceUnavailable):
        files.open(place)


def test_folder_swapped_before_removal(root: Path, tmp_path: Path) -> None:
    """The same is removed nowhere outside."""
    files = FileRoot(root, {})
    place = files.locate(str(root / "123:token" / "documents" / "file_0.pdf"))
    _swap(root, tmp_path / "outside")
    files.remove(place)

    assert (tmp_path / "outside" / "documents" / "file_0.pdf").read_bytes() == b"a secret"


@pytest.mark.timeout(20)
def test_pipe(root: Path) -> None:
    """A FIFO is no file, and holds no thread."""
    os.mkfifo(root / "pipe")
    files = FileRoot(root, {})

    with pytest.raises(SourceGone, match="not a file"):
        files.open(files.locate(str(root / "pipe")))


def test_nothing_stays_open(root: Path, tmp_path: Path) -> None:
    """Refusals leave no descriptor behind."""
    os.mkfifo(root / "pipe")
    files = FileRoot(root, {})
    place = files.locate(str(root / "123:token" / "documents" / "file_0.pdf"))
    _swap(root, tmp_path / "outside")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path in (place, root / "pipe", root / "gone"):
        with pytest.raises((SourceGone, SourceUnavailable)):
            files.open(path)
        files.remove(path)

    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_trouble_with_all_files(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several files in a row that cannot be opened are told of, one that is asked for again and
    again is not; a file that was opened ends it, and so does time.
    """
    copies, seen = copies_in(tmp_path), []
    for name in ("one", "one", "one", "two", "three"):
        with pytest.raises(SourceUnavailable):
            copies.take(7, "unique", str(root / name))
        seen.append(bool(copies.trouble))
    monkeypatch.setattr(local_copies, "REMEMBERED", 0.0)
    later = copies.trouble
    monkeypatch.undo()
    said = copies.trouble
    os.close(copies.take(7, "unique", str(root / "123:token" / "documents" / "file_0.pdf")))

    assert seen == [False, False, False, False, True]
    assert said == (
        "none of the last 3 files of the server could be opened:"
        " the server's file: No such file or directory"
    )
    assert later == copies.trouble == ""
