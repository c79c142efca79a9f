"""Decode the parameters of a request: query string, form, multipart, JSON.

Decoding is lenient exactly where the real server is.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

from aiohttp import BodyPartReader, MultipartReader, web

from bot.sandbox.telegram.errors import bad_request

BLOCK: Final = 1 << 18

PLAIN: Final = frozenset(
    {
        "text", "caption", "name", "description", "short_description", "title", "performer",
        "callback_query_id", "file_id", "url", "secret_token", "language_code", "parse_mode",
        "emoji", "action", "custom_title", "method", "ip_address",
        "document", "photo", "video", "audio", "voice", "video_note", "animation", "sticker",
    }
)  # fmt: skip
"""Parameters that are always text, even "12"."""


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file that came as part of a multipart request and lies at `path` now."""

    path: Path
    name: str
    mime: str


@dataclass
class Params:
    """Decoded parameters (`values`) and uploaded files by the name of their part."""

    values: dict[str, Any] = field(default_factory=dict)
    uploads: dict[str, UploadedFile] = field(default_factory=dict)

    def add(self, name: str, raw: str) -> None:
        """Add a value of a form or query string; JSON is decoded unless the parameter is text."""
        self.values[name] = raw if name in PLAIN else _decode_value(raw)

    def add_json(self, values: Mapping[str, Any]) -> None:
        """Add the values of a JSON body."""
        for name, value in values.items():
            if isinstance(value, str):
                self.add(name, value)
            else:
                self.values[name] = value

    def text(self, name: str) -> str:
        """Return a text; absent and `null` are the empty one."""
        value = self.values.get(name)
        return "" if value is None else str(value)

    def integer(self, name: str, default: int = 0) -> int:
        """Return a whole number; other values count as `default`, as on the real server."""
        value = self.values.get(name, default)
        try:
            return int(value)
        except (TypeError, ValueError, OverflowError):
            return default

    def identifiers(self, name: str) -> list[int]:
        """Return an array of numbers.

        Raises:
            ApiError: it is not an array of numbers.
        """
        found = self.items(name, "message identifiers")
        if not all(isinstance(item, int) for item in found):
            raise bad_request("can't parse message identifiers JSON object")
        return found

    def flag(self, name: str) -> bool:
        """Return a Boolean; `true`, `yes` and `1` are true."""
        return str(self.values.get(name, "")).lower() in {"true", "yes", "1"}

    def mapping(self, name: str, what: str) -> dict[str, Any] | None:
        """Return a JSON object, or `None` when it is absent.

        Raises:
            ApiError: it is something else; `what` names the type in the text.
        """
        value = self.values.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, dict):
            raise bad_request(f"can't parse {what} JSON object")
        return value

    def items(self, name: str, what: str) -> list[Any]:
        """Return a JSON array; absent is the empty one.

        Raises:
            ApiError: it is something else.
        """
        value = self.values.get(name)
        if value is None or value == "":
            return []
        if not isinstance(value, list):
            raise bad_request(f"can't parse {what} JSON object")
        return value


def _decode_value(raw: str) -> Any:
    # Only what JSON clients would have sent as another type than text; the rest stays as it came.
    if raw[:1] in {"{", "[", "-"} or raw[:1].isdigit() or raw in {"true", "false", "null"}:
        try:
            return json.loads(raw)
        except ValueError:
            return raw
    return raw


async def decode(request: web.BaseRequest, folder: Path) -> Params:
    """Return what a request carries, in any of the encodings that the real server takes.

    Uploaded files are streamed to `folder`.

    Raises:
        ApiError: the body is not JSON although its type says so.
    """
    params = Params()
    for name, value in request.query.items():
        params.add(name, value)
    if request.content_type == "application/json":
        await _json(request, params)
    elif request.content_type == "multipart/form-data":
        await _multipart(request, params, folder)
    elif request.content_type == "application/x-www-form-urlencoded":
        # The real server reads the body of every method, GET included; aiohttp does not.
        for name, value in parse_qsl(await request.text(), keep_blank_values=True):
            params.add(name, value)
    return params


async def _json(request: web.BaseRequest, params: Params) -> None:
    body = await request.read()
    if not body.strip():
        return
    try:
        values = json.loads(body)
    except ValueError:
        raise bad_request("can't parse JSON object") from None
    if not isinstance(values, dict):
        raise bad_request("object expected")
    params.add_json(values)


async def _multipart(request: web.BaseRequest, params: Params, folder: Path) -> None:
    # As "multipart/form-data" aiohttp would parse the disposition of the first part by itself, and
    # is stricter than the real server.
    content_type = request.headers["Content-Type"].replace("form-data", "mixed", 1)
    async for part in MultipartReader({"Content-Type": content_type}, request.content):
        if not isinstance(part, BodyPartReader):
            continue
        disposition = _disposition(part.headers.get("Content-Disposition", ""))
        name = disposition.get("name")
        if not name:
            raise bad_request("field name in multipart/form-data not found")
        if "filename" in disposition:
            params.uploads[name] = await _upload(part, disposition["filename"], folder)
        else:
            params.add(name, await part.text())


def _disposition(header: str) -> dict[str, str]:
    """Split a Content-Disposition as the real server does: at every ";", with or without quotes,
    and without escapes (source: tdlib/td `HttpReader.cpp`, `parse_multipart_form_data`).

    Raises:
        ApiError: it is none of a form.
    """
    kind, _, rest = header.partition(";")
    if kind != "form-data":
        raise bad_request("expected form-data content disposition")
    fields = {}
    for field_ in rest.split(";"):
        key, _, value = (part.strip() for part in field_.partition("="))
        is_quoted = len(value) > 1 and value[0] == value[-1] == '"'
        fields[key] = value[1:-1] if is_quoted else value
    return fields


async def _upload(part: BodyPartReader, name: str, folder: Path) -> UploadedFile:
    path = folder / f"upload-{secrets.token_hex(8)}"
    with path.open("wb") as file:
        while block := await part.read_chunk(BLOCK):
            file.write(block)
    mime = part.headers.get("Content-Type", "").partition(";")[0]
    return UploadedFile(path, name, mime)
