"""A fuzzer's pass over all routes: what it may find is in the table of checks below."""

import asyncio
import json
import logging
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path
from typing import Any, Final

import pytest

from bot.core.jobs import Wishes
from bot.core.ports.pages import make_token
from tests.adapters.pages.site import Site
from tests.sandbox import environments

HERE: Final = Path(__file__).parent / "fuzz"
EXAMPLES: Final = 60
"""Of each route and kind of data."""
CHECKS: Final = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
)
"""Those left out expect other answers than ours on purpose: data outside the schema is accepted
where it does not matter (the name of a file, other fields of a form), and data inside it is
refused where no page has this token.
"""
HEADERS: Final = {
    name: {"schema": {"type": "string", "const": value}, "required": True}
    for name, value in {
        "Referrer-Policy": "no-referrer",
        "Server": "file-relay",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "X-Robots-Tag": "noindex, nofollow, noarchive",
    }.items()
}
HTML: Final[dict[str, Any]] = {"text/html": {}, "text/plain": {}}
GET_STATUSES: Final = (200, 303, 403, 404, 410, 423)
POST_STATUSES: Final = (200, 303, 400, 403, 404, 410, 413, 423, 429)


def schema(tokens: list[str]) -> dict[str, Any]:
    """Return the routes as OpenAPI; one in two tokens that are tried is one of `tokens`."""
    token = _place(
        "token",
        {"anyOf": [{"enum": tokens}, {"type": "string", "pattern": "^[A-Za-z0-9_-]{22}$"}]},
    )
    number = _place("number", {"type": "integer", "minimum": 0, "maximum": 1200})
    name = _place("name", {"type": "string", "minLength": 1})
    asked = [
        _header("Accept", {"enum": ["text/html", "*/*", "image/png"]}),
        _header("Accept-Language", {"type": "string"}),
        _header("User-Agent", {"type": "string"}),
        _header("Range", {"type": "string"}),
        _header("Cookie", {"type": "string"}),
        _header("X-Forwarded-For", {"type": "string"}),
    ]
    sent = [
        _header("Origin", {"type": "string"}),
        _header("Sec-Fetch-Site", {"enum": ["same-origin", "none", "cross-site", "same-site"]}),
        _header("X-Forwarded-For", {"type": "string", "format": "ipv4"}),
    ]
    get = {
        path: {
            "parameters": where,
            "get": {"parameters": asked, "responses": _answers(GET_STATUSES)},
            "head": {"parameters": asked, "responses": _answers(GET_STATUSES)},
        }
        for path, where in {
            "/{token}": [token],
            "/{token}/{name}": [token, name],
            "/{token}/{number}/{name}": [token, number, name],
            "/{token}/look/{number}": [token, number],
        }.items()
    }
    fields = {"type": "object", "properties": {"password": {"type": "string"}}}
    form = {"application/x-www-form-urlencoded": {"schema": fields}}
    post = {
        path: {
            "parameters": where,
            "post": {
                "parameters": sent,
                "requestBody": {"content": form},
                "responses": _answers(POST_STATUSES),
            },
        }
        for path, where in {
            "/{token}/{number}/get": [token, number],
            "/{token}/password": [token],
            "/{token}/report": [token],
        }.items()
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Pages", "version": "1"},
        "paths": get | post,
    }


def _place(name: str, kind: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": kind}


def _header(name: str, kind: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "header", "schema": kind}


def _answers(statuses: tuple[int, ...]) -> dict[str, Any]:
    return {
        str(status): {"description": "", "headers": HEADERS, "content": HTML}
        for status in statuses
    }


async def pages(site: Site) -> list[str]:
    """Make a page of each kind, and return their tokens with one that is none."""
    secret = await site.passwords.hash("a b c d")
    ended = await site.page()
    await site.ledger.objects.revoke(ended.files[0].job_id, site.clock.now())
    made = [
        await site.page(b"one", b"two"),
        await site.page(wishes=Wishes(most_downloads=1)),
        await site.page(password_hash=secret),
        await site.page(is_paused=True),
        await site.page(mime_type="image/png", sender="<b>"),
        ended,
    ]
    return [*(content.page.token for content in made), make_token()]


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_fuzzer(site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No answer of the server is an error, and each has a status, a type and headers of the
    schema.
    """
    python = await asyncio.to_thread(environments.python, HERE)
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(schema(await pages(site))))
    process = await asyncio.create_subprocess_exec(
        str(python.with_name("st")),
        *("run", str(path), "--url", f"http://127.0.0.1:{site.port}", "--seed", "2026"),
        *("--checks", ",".join(CHECKS), "--max-examples", str(EXAMPLES), "--no-color"),
        *("--phases", "examples,coverage,fuzzing", "--mode", "all", "--continue-on-failure"),
        *("--generation-database", "none", "--suppress-health-check", "all"),
        stdout=PIPE,
        stderr=STDOUT,
        cwd=tmp_path,
    )
    said, _ = await process.communicate()
    asked = len(site.metrics.pages) + len(site.metrics.refusals) + len(site.metrics.downloads)

    print(said.decode())  # noqa: T201 -- shown by `pytest -s`.
    assert process.returncode == 0, said.decode()
    assert asked > 500
    assert not [record for record in caplog.records if record.levelno > logging.WARNING]
