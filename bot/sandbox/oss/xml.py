"""XML as OSS writes and reads it: flat documents without attributes or namespaces."""

import html
from collections.abc import Iterable, Sequence
from urllib.parse import quote
from xml.etree import ElementTree as ET

Node = tuple[str, "str | Sequence[Node]"]
"""An element: its name, and its text or its children."""


def document(name: str, content: "str | Sequence[Node]") -> bytes:
    """Return a whole document with its declaration."""
    body = _element(name, content)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'.encode("utf-8", "surrogateescape")


def _element(name: str, content: "str | Sequence[Node]") -> str:
    if isinstance(content, str):
        return f"<{name}>{html.escape(content, quote=False)}</{name}>"
    inner = "".join(_element(child, below) for child, below in content)
    return f"<{name}>{inner}</{name}>"


def parse(body: bytes, root: str) -> ET.Element:
    """Parse a body whose root element must be `root`.

    Raises:
        ValueError: it is not such a document, or it declares a document type (entity bombs).
    """
    if b"<!" in body:
        raise ValueError("document types are not accepted")
    try:
        tree = ET.fromstring(body)  # noqa: S314 - no document type, so no entities to expand.
    except (ET.ParseError, UnicodeError) as error:
        raise ValueError("not well-formed") from error
    for element in tree.iter():
        element.tag = element.tag.rpartition("}")[2]
    if tree.tag != root:
        raise ValueError(f"the root element is not {root}")
    return tree


def encoded(nodes: Iterable[tuple[str, str]], encoding: str) -> list[Node]:
    """Return elements whose texts are percent-encoded where the client asked for `url`."""
    if encoding != "url":
        return list(nodes)
    return [(name, quote(text, safe="")) for name, text in nodes]
