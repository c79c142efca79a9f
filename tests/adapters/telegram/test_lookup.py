"""The meaning of the refusals of `getFile`."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import stamina
from telegram import Bot

from bot.adapters.telegram.download import ServerFile, SourceFlooded, look_up
from bot.adapters.telegram.request import AiohttpRequest
from bot.core.errors import FileTooLarge, RelayError, SourceGone, SourceUnavailable
from bot.core.files import FileKind, IncomingFile
from tests.adapters.telegram.wire import Answer, Wire, api, http, refusal, reset

TOKEN = "123456789:AAE-invented_token_of_a_bot_0123456"
FILE = IncomingFile("id", "unique", FileKind.DOCUMENT, "a.pdf", None, 100)


@pytest.fixture(autouse=True)
def _no_waits() -> Iterator[None]:
    """Attempts follow each other without a pause."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


@asynccontextmanager
async def bot_of(server: Wire) -> AsyncIterator[Bot]:
    """Make a bot of this server, without asking it who it is."""
    request = AiohttpRequest()
    root = server.url
    bot = Bot(TOKEN, f"{root}/bot", f"{root}/file/bot", request=request)
    async with request:
        yield bot


async def ask(*answers: Answer) -> tuple[ServerFile | None, RelayError | None, int]:
    """Ask a server that gives these answers; return what came of it and the number of calls."""
    async with Wire(*answers) as server, bot_of(server) as bot:
        try:
            return await look_up(bot, FILE, limit=1000), None, len(server.asked)
        except RelayError as error:
            return None, error, len(server.asked)


async def test_found() -> None:
    """The path is as the server named it: relative, and without the token."""
    answer = {
        "file_id": "id",
        "file_unique_id": "u",
        "file_size": 100,
        "file_path": "documents/file_0.pdf",
    }

    assert (ServerFile("documents/file_0.pdf", 100), None, 1) == await ask(api(answer))
    assert "file_0" not in repr(ServerFile("documents/file_0.pdf", 100))


async def test_file_of_this_machine(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of the same name in the working folder changes nothing."""
    folder = tmp_path_factory.mktemp("here")
    monkeypatch.chdir(folder)
    (folder / "documents").mkdir()
    (folder / "documents" / "file_0.pdf").write_text("mine")
    answer = {"file_id": "id", "file_unique_id": "u", "file_path": "documents/file_0.pdf"}

    assert (ServerFile("documents/file_0.pdf", None), None, 1) == await ask(api(answer))


async def test_absolute_path() -> None:
    """The path of a server in local mode stays absolute."""
    answer = {"file_id": "id", "file_unique_id": "u", "file_path": "/var/lib/x/file_0.pdf"}
    found, _, _ = await ask(api(answer))

    assert found is not None
    assert found.path == "/var/lib/x/file_0.pdf"


@pytest.mark.parametrize(
    ("answer", "error", "calls"),
    [
        (refusal(400, "Bad Request: file is too big"), FileTooLarge, 1),
        (refusal(400, "Bad Request: invalid file_id"), SourceGone, 1),
        (
            refusal(400, "Bad Request: wrong file_id or the file is temporarily unavailable"),
            SourceFlooded,
            1,
        ),
        (refusal(401, "Unauthorized"), SourceUnavailable, 1),
        (refusal(404, "Not Found"), SourceUnavailable, 1),
        (refusal(409, "Conflict: x"), SourceUnavailable, 1),
        (refusal(429, "Too Many Requests: retry after 5", retry_after=5), SourceFlooded, 1),
        (refusal(500, "Internal Server Error: restart"), SourceUnavailable, 1),
        (http(502, b"<html>"), SourceUnavailable, 1),
        (reset, SourceUnavailable, 1),
        (api(None), SourceUnavailable, 1),
        (api({}), SourceUnavailable, 1),
        (api({"file_id": "id", "file_unique_id": "u"}), SourceUnavailable, 1),
        (api({"file_id": "id", "file_unique_id": "u", "file_size": 1001}), FileTooLarge, 1),
    ],
)
async def test_refused(
    answer: Answer, error: type[RelayError], calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each refusal has its own error after one call; the queue decides about another."""
    monkeypatch.setenv("PTB_TIMEDELTA", "true")
    _, got, asked = await ask(answer)

    assert (error, calls) == (type(got), asked)
    assert got is not None
    assert TOKEN not in f"{got}{got.__cause__}"
