"""Pages of a list: sorted entries cut by a limit and grouped by a delimiter."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from bot.sandbox.oss.call import Call
from bot.sandbox.oss.errors import invalid_argument
from bot.sandbox.oss.request import OssRequest
from bot.sandbox.oss.xml import Node, encoded

_T = TypeVar("_T")


@dataclass
class Page(Generic[_T]):
    """One page: entries and common prefixes together are at most the limit. `last` is the key or
    prefix after which the next page starts.
    """

    entries: list[_T] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    is_truncated: bool = False
    last: str = ""

    def __len__(self) -> int:
        return len(self.entries) + len(self.prefixes)


def limit_of(request: OssRequest, name: str, default: int) -> int:
    """Return a page size from 1 to 1,000.

    Raises:
        OssError: it is none.
    """
    text = request.query(name)
    if not text:
        return default
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 1000:
        return int(text)
    raise invalid_argument(f"The {name} must be between 1 and 1000.", name, text)


def fill_page(
    entries: Iterable[tuple[str, _T]], prefix: str, delimiter: str, after: str, limit: int
) -> Page[_T]:
    """Collect one page from entries that are sorted by key and start after `after`."""
    page: Page[_T] = Page()
    for key, entry in entries:
        group = _group(key, prefix, delimiter)
        if group and (group in page.prefixes or group == after):
            continue
        if len(page) == limit:
            page.is_truncated = True
            break
        if group:
            page.prefixes.append(group)
        else:
            page.entries.append(entry)
        page.last = group or key
    return page


def _group(key: str, prefix: str, delimiter: str) -> str:
    """Return the common prefix that a key falls into, or nothing."""
    if not delimiter:
        return ""
    end = key.find(delimiter, len(prefix))
    return key[: end + len(delimiter)] if end >= 0 else ""


_NAMES = {
    "prefix": "Prefix",
    "start-after": "StartAfter",
    "delimiter": "Delimiter",
    "continuation-token": "ContinuationToken",
    "marker": "Marker",
    "key-marker": "KeyMarker",
    "upload-id-marker": "UploadIdMarker",
}


_OPTIONAL = {"start-after", "continuation-token"}


def asked_for(call: Call, encoding: str, names: Sequence[str]) -> list[Node]:
    """Return the elements that repeat what was asked; those of `_OPTIONAL` only if it was.

    Source: oss2 2.18.4 fails where one of the others is missing.
    """
    nodes: list[Node] = [("Name", call.bucket.name)]
    if encoding:
        nodes.append(("EncodingType", encoding))
    asked = [
        (_NAMES[name], call.request.query(name))
        for name in names
        if call.request.has(name) or name not in _OPTIONAL
    ]
    return nodes + encoded(asked, encoding)


def flag(value: object) -> str:
    """Return a truth value as OSS writes it."""
    return "true" if value else "false"
