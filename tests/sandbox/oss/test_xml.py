"""XML, written and read."""

import pytest

from bot.sandbox.oss.xml import document, encoded, parse


def test_document() -> None:
    """Texts are escaped, children nest."""
    written = document("A", [("B", "<&>\"'"), ("C", [("D", "日")]), ("E", [])])

    assert written.decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        "<A><B>&lt;&amp;&gt;\"'</B><C><D>日</D></C><E></E></A>"
    )


def test_round_trip() -> None:
    """What was written can be read; namespaces do not matter."""
    tree = parse(b'<A xmlns="urn:x"><B> c </B></A>', "A")

    assert tree.findtext("B") == " c "


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no xml",
        b"<A>",
        b"<B/>",
        b"\xff\xfe",
        b'<!DOCTYPE A [<!ENTITY a "b">]><A>&a;</A>',
    ],
)
def test_refused(body: bytes) -> None:
    """Broken documents, another root and document types are refused."""
    with pytest.raises(ValueError, match=r"root|well-formed|document types"):
        parse(body, "A")


def test_encoded() -> None:
    """Texts are percent-encoded only where the client asked for it."""
    nodes = [("Key", "a b/ü")]

    assert encoded(nodes, "") == nodes
    assert encoded(nodes, "url") == [("Key", "a%20b%2F%C3%BC")]
