"""Words are counted where English stands, and nowhere else."""

from pathlib import Path

from tests.tools.words import BARRED, COUNTED, DOCUMENTS, Text, count, docstrings, prose

HERE = Path("a.py")


def test_words_have_a_place() -> None:
    """Case does not matter, and the line is that of the word."""
    counted = count(iter([Text(HERE, 7, "One two.\nWhoever asks, somebody's there: whose?")]))

    assert [(place.word, place.line) for place in counted.places] == [("whoever", 8), ("whose", 8)]
    assert counted.total == 7
    assert counted.per_thousand(*BARRED) == 1000 / 7
    assert counted.per_thousand(*COUNTED) == 2000 / 7


def test_code_is_no_prose() -> None:
    """Backticks and fences are left out, and lines after them keep their numbers."""
    counted = count(iter([Text(HERE, 1, "`nobody` is\n```\nwhatever\n```\nnobody")]))

    assert [(place.word, place.line) for place in counted.places] == [("nobody", 5)]
    assert counted.total == 2


def test_all_docstrings_are_read(tmp_path: Path) -> None:
    """Modules, classes, functions and attributes have docstrings; other strings are none."""
    text = '"""M."""\nX = "no"\n"""A."""\nclass C:\n    """C."""\n    def f(self):\n        "F."\n'
    (tmp_path / "bot").mkdir()
    (tmp_path / "bot/a.py").write_text(text, encoding="utf-8")
    found = sorted(docstrings("bot", tmp_path), key=lambda text: text.line)

    assert [(text.line, text.text) for text in found] == [
        (1, "M."),
        (3, "A."),
        (5, "C."),
        (7, "F."),
    ]


def test_prose_is_the_documents_and_comments(tmp_path: Path) -> None:
    """Documents count whole, of the settings only the comments."""
    for name in DOCUMENTS:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("document", encoding="utf-8")
    (tmp_path / "CHANGELOG.md").write_text("# Changes\n\n- nobody new\n", encoding="utf-8")
    settings = '# whoever comments\n#default = "whoever"\nkey = "whoever"\n'
    (tmp_path / "settings.example.toml").write_text(settings, encoding="utf-8")
    counted = count(prose(tmp_path))

    assert counted.total == len(DOCUMENTS) - 1 + 3 + 2
    assert [(str(place.path), place.line) for place in counted.places] == [
        ("CHANGELOG.md", 3),
        ("settings.example.toml", 1),
    ]
