"""XML as OSS writes and reads it: flat documents without attributes or namespaces."""

import html
import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote
from xml.etree import ElementTree as ET

_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_REFERENCES = re.compile(rb"&#(?:x([0-9a-fA-F]{1,8})|([0-9]{1,8}));")
_ALLOWED = {0x09, 0x0A, 0x0D}
_HIDDEN = 0xFDD0
"""The first of the 32 noncharacters that XML allows; they stand for the control characters while a
document is parsed.
"""
_HIDDEN_COUNT = 32

Node = tuple[str, "str | Sequence[Node]"]
"""An element: its name, and its text or its children."""


def document(name: str, content: "str | Sequence[Node]") -> bytes:
    """Return a whole document with its declaration."""
    body = _element(name, content)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'.encode("utf-8", "surrogateescape")


def _element(name: str, content: "str | Sequence[Node]") -> str:
    if isinstance(content, str):
        text = _CONTROLS.sub(_reference, html.escape(content, quote=False))
        return f"<{name}>{text}</{name}>"
    inner = "".join(_element(child, below) for child, below in content)
    return f"<{name}>{inner}</{name}>"


def _reference(match: re.Match[str]) -> str:
    return f"&#{ord(match[0]):02d};"


def _hide(match: re.Match[bytes]) -> bytes:
    """Replace the reference of a control character by a noncharacter that XML allows."""
    code = int(match[1], 16) if match[1] else int(match[2])
    if code >= _HIDDEN_COUNT or code in _ALLOWED:
        return match[0]
    return chr(_HIDDEN + code).encode()


def _show(text: str | None) -> str | None:
    if text is None:
        return None
    return "".join(
        chr(ord(char) - _HIDDEN) if 0 <= ord(char) - _HIDDEN < _HIDDEN_COUNT else char
        for char in text
    )


def parse(body: bytes, root: str) -> ET.Element:
    """Parse a body whose root element must be `root`.

    References of control characters (`&#01;`) are accepted, as OSS accepts them although XML 1.0
    does not: the vendor's SDKs write them into DeleteMultipleObjects.

    Raises:
        ValueError: it is not such a document, or it declares a document type (entity bombs).
    """
    if b"<!" in body:
        raise ValueError("document types are not accepted")
    try:
        tree = ET.fromstring(_REFERENCES.sub(_hide, body))  # noqa: S314 - no document type, so no entities to expand.
    except (ET.ParseError, UnicodeError) as error:
        raise ValueError("not well-formed") from error
    for element in tree.iter():
        element.tag = element.tag.rpartition("}")[2]
        element.text = _show(element.text)
    if tree.tag != root:
        raise ValueError(f"the root element is not {root}")
    return tree


def encoded(nodes: Iterable[tuple[str, str]], encoding: str) -> list[Node]:
    """Return elements whose texts are percent-encoded where the client asked for `url`."""
    if encoding != "url":
        return list(nodes)
    return [(name, quote(text, safe="")) for name, text in nodes]
