"""From an HTTP request to parameters: query string, form, multipart, JSON."""

import json
import secrets
from pathlib import Path

from aiohttp import BodyPartReader, web

from bot.sandbox.telegram.errors import bad_request
from bot.sandbox.telegram.params import Params, Upload

BLOCK = 1 << 18


async def decode(request: web.BaseRequest, folder: Path) -> Params:
    """Return what a request carries, in any of the encodings that the real server takes.

    Uploaded files are streamed to `folder`.

    Raises:
        ApiError: the body is no JSON although it says so.
    """
    params = Params()
    for name, value in request.query.items():
        params.add(name, value)
    if request.content_type == "application/json":
        await _json(request, params)
    elif request.content_type == "multipart/form-data":
        await _multipart(request, params, folder)
    elif request.content_type == "application/x-www-form-urlencoded":
        for name, field in (await request.post()).items():
            if isinstance(field, str):
                params.add(name, field)
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
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or part.name is None:
            continue
        if part.filename is None:
            params.add(part.name, await part.text())
        else:
            params.uploads[part.name] = await _upload(part, folder)


async def _upload(part: BodyPartReader, folder: Path) -> Upload:
    path = folder / f"upload-{secrets.token_hex(8)}"
    with path.open("wb") as file:
        while block := await part.read_chunk(BLOCK):
            file.write(block)
    mime = part.headers.get("Content-Type", "").partition(";")[0]
    return Upload(path, part.filename or "", mime)
