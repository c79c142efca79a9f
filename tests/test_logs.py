"""The log as a whole: shape, levels, and real errors of real libraries that carry secrets."""

import errno
import io
import json
import logging
import os
from collections.abc import Iterator

import aiohttp
import pytest
import requests
import structlog

from bot.logs import HIDDEN, RelayHandler, configure

TOKEN = "123456789:AAE-invented_token_of_a_bot_0123456"


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    """Leave the process as it was for the tests of others."""
    root = logging.getLogger()
    level = root.level
    yield
    for handler in [h for h in root.handlers if isinstance(h, RelayHandler)]:
        root.removeHandler(handler)
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def out() -> io.StringIO:
    """Collects what is logged."""
    return io.StringIO()


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """Say that it is a terminal."""
        return True


def test_json(out: io.StringIO) -> None:
    """Elsewhere than on a terminal a line is one JSON object with level, time and logger."""
    configure("info", stream=out)
    structlog.get_logger("bot.x").info("job_done", job_id=7, name="文件.pdf")

    line = json.loads(out.getvalue())
    assert (
        line["event"],
        line["job_id"],
        line["name"],
        line["level"],
        line["logger"],
    ) == ("job_done", 7, "文件.pdf", "info", "bot.x")
    assert line["timestamp"].endswith("Z")
    assert "文件" in out.getvalue()


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()])
def test_pretty(stream: io.StringIO) -> None:
    """On a terminal, or when asked for, a line is for people."""
    configure("info", "auto" if stream.isatty() else "pretty", stream=stream)
    structlog.get_logger("bot.x").info("job_done", job_id=7)

    assert "job_done" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_level(out: io.StringIO) -> None:
    """Lines below the level are not written, for every logger."""
    configure("warning", "json", stream=out)
    structlog.get_logger("bot.x").info("quiet")
    logging.getLogger("telegram").info("quiet")
    logging.getLogger("telegram").warning("loud")

    (line,) = out.getvalue().splitlines()
    assert json.loads(line)["event"] == "loud"


@pytest.mark.parametrize(
    "name",
    [
        "httpx",
        "httpcore.http11",
        "urllib3.connectionpool",
        "alembic.runtime.migration",
        "alembic.ddl",
    ],
)
def test_talkative_libraries(out: io.StringIO, name: str) -> None:
    """Libraries that log each request, with its URL, are logged from WARNING on."""
    configure("debug", "json", stream=out)
    logging.getLogger(name).info("HTTP Request: POST https://api.telegram.org/bot%s/getMe", TOKEN)

    assert out.getvalue() == ""


def test_second_call_replaces_first(out: io.StringIO) -> None:
    """Configuring twice does not write twice."""
    configure("info", "json", stream=io.StringIO())
    configure("info", "json", stream=out)
    logging.getLogger("bot.x").info("once")

    assert len(out.getvalue().splitlines()) == 1


@pytest.mark.parametrize("format", ["json", "pretty"])
def test_registered_secret(out: io.StringIO, format: str) -> None:
    """A registered value is hidden in the event, in its values and in what libraries say."""
    configure("info", "json" if format == "json" else "pretty", secrets=['a"b\\c'], stream=out)
    structlog.get_logger("bot.x").info('it is a"b\\c', value='a"b\\c', deep=[{"x": 'a"b\\c'}])
    logging.getLogger("x").info("it is %s", 'a"b\\c')

    assert out.getvalue().count(HIDDEN) == 4
    assert "b\\" not in out.getvalue()


async def _aiohttp_error() -> Exception:
    """Return a real error of aiohttp that has the URL in its text."""
    url = f"http://127.0.0.1:1/bot{TOKEN}/getMe?x-oss-signature=77dbf6a2aa"
    timeout = aiohttp.ClientTimeout(connect=1e-9)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        try:
            await session.get(url)
        except aiohttp.ConnectionTimeoutError as error:
            return error
    pytest.fail("nothing listens on port 1")


def _requests_error() -> Exception:
    """Return a real error of requests that has the signed URL in its text."""
    url = f"http://127.0.0.1:1/relay/{TOKEN}?Expires=1&Signature=77dbf6a2aa&x-oss-signature=77dbf6"
    try:
        requests.get(url, timeout=1)
    except requests.ConnectionError as error:
        return error
    pytest.fail("nothing listens on port 1")


@pytest.mark.parametrize("format", ["json", "pretty"])
@pytest.mark.parametrize("library", ["aiohttp", "requests"])
async def test_errors_of_libraries(out: io.StringIO, format: str, library: str) -> None:
    """An error that carries a signed URL or a token is logged with its traceback, without
    either.
    """
    error = await _aiohttp_error() if library == "aiohttp" else _requests_error()
    assert TOKEN in str(error)
    assert "77dbf6" in str(error)

    configure("info", "json" if format == "json" else "pretty", stream=out)
    structlog.get_logger("bot.x").error("job_failed", exc_info=error, reason=error)
    logging.getLogger("x").error("failed: %s", error, exc_info=error)

    assert TOKEN not in out.getvalue()
    assert "77dbf6" not in out.getvalue()
    assert out.getvalue().count("Traceback") >= 2
    assert type(error).__name__ in out.getvalue()


def test_no_local_variables(out: io.StringIO) -> None:
    """A traceback for people does not print the variables of its frames."""
    configure("info", "pretty", stream=out)
    password = "hunter" + str(2)  # in the frame, but not in the line that fails
    try:
        _ = [0][len(password)]
    except IndexError:
        structlog.get_logger("bot.x").error("failed", exc_info=True)

    assert "hunter2" not in out.getvalue()


class FullDisk(io.StringIO):
    """A stream that takes nothing while it is full."""

    is_full = True

    def write(self, text: str) -> int:
        """Write, or refuse as a full disk does."""
        if self.is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(text)


def test_log_that_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    """It is said once, without a traceback or a word of the lines; later lines are written."""
    disk = FullDisk()
    configure("info", stream=disk)
    library = logging.getLogger("library")
    for _ in range(3):
        library.warning("https://api.telegram.org/bot%s/getMe", TOKEN)
    told = capsys.readouterr().err
    disk.is_full = False
    library.warning("it works")
    disk.is_full = True
    library.warning("and again")

    assert told == "relay-bot: the log cannot be written: No space left on device\n"
    assert "it works" in disk.getvalue()
    assert capsys.readouterr().err == told
