"""The paths of the page: what they answer, with which headers, and to which pages."""

import re
from itertools import product
from operator import mul
from pathlib import Path

import aiohttp
import pytest
from hatchling.builders.wheel import WheelBuilder

from bot.sandbox.telegram import TelegramStandIn
from bot.sandbox.telegram.page.routes import FILES, STATIC
from tests.sandbox.test_server import FOREIGN

ROOT = Path(__file__).parents[4]
HTML = (STATIC / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("path", "kind"), [(path, kind) for path, (_, kind) in FILES.items()])
async def test_files(
    tg: TelegramStandIn, http: aiohttp.ClientSession, path: str, kind: str
) -> None:
    """Each file of the page is served with its type, as no request of the Bot API."""
    async with http.get(f"{tg.control_url}{path}") as answer:
        assert (answer.status, answer.content_type) == (200, kind)
        assert await answer.read()
    assert len(tg.log) == 0


async def test_policy(tg: TelegramStandIn, http: aiohttp.ClientSession) -> None:
    """The page runs scripts and styles of this server only, none of them inline."""
    async with http.get(tg.page_url) as answer:
        policy = answer.headers["Content-Security-Policy"]
        kept = answer.headers["Cache-Control"]

    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert {rules[name] for name in ("script-src", "style-src", "connect-src")} == {"'self'"}
    assert rules["frame-ancestors"] == "'none'"
    assert kept == "no-store"


def test_nothing_is_inline() -> None:
    """The document has no script, no style and no handler that the policy would refuse."""
    assert re.findall(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", HTML) == []
    assert "innerHTML" not in (STATIC / "chat.mjs").read_text(encoding="utf-8")


def test_texts_are_in_both_languages() -> None:
    """The module has the same texts in English and in Chinese, and all that the document names."""
    module = (STATIC / "chat.mjs").read_text(encoding="utf-8")
    table = module[module.index("const TEXTS") : module.index("const LINES")]
    english, chinese = (
        set(re.findall(r"(?:^\s+|, )(\w+): (?=[\"(])", part, re.MULTILINE))
        for part in table.split("  zh: {")
    )
    named = set(re.findall(r'data-(?:text|label|placeholder)="(\w+)"', HTML))

    assert english == chinese
    assert named <= english


def luminance(colour: str) -> float:
    """Return the relative luminance of `#rrggbb` (source: WCAG 2.2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return float(sum(map(mul, (0.2126, 0.7152, 0.0722), linear)))


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("words", "back"),
    [
        *product(("words", "faint", "accent"), ("panel", "bubble", "chosen", "back")),
        ("words", "own"),
        ("words", "code"),
        ("on-accent", "accent"),
        ("warn", "warn-back"),
    ],
)
def test_contrast(scheme: int, words: str, back: str) -> None:
    """Words can be read in both schemes: 4.5 to 1 is the bound of WCAG 2.2, level AA."""
    css = (STATIC / "chat.css").read_text(encoding="utf-8")
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", css.split("@media")[scheme]))
    darker, lighter = sorted(luminance(colours[name]) for name in (words, back))

    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("GET", "/page/events"), ("POST", "/page/upload")]
)
async def test_pages_of_other_origins(
    tg: TelegramStandIn,
    http: aiohttp.ClientSession,
    method: str,
    path: str,
    headers: dict[str, str],
) -> None:
    """A web page of another origin, also one with a DNS name that leads here, gets nothing."""
    url = f"{tg.control_url}{path}"
    async with http.request(method, url, headers=headers) as answer:
        assert (answer.status, await answer.read()) == (404, b"")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/", 405),
        ("GET", "/page/upload", 405),
        ("GET", "/page/nothing", 404),
        ("GET", "/page/../routes.py", 404),
        ("GET", "/page/static/../routes.py", 404),
    ],
)
async def test_other_requests(
    tg: TelegramStandIn, http: aiohttp.ClientSession, method: str, path: str, status: int
) -> None:
    """There is nothing but the files that are named."""
    async with http.request(method, f"{tg.control_url}{path}") as answer:
        assert answer.status == status


def test_the_wheel_has_the_page() -> None:
    """What is installed can show the page."""
    builder = WheelBuilder(str(ROOT))
    paths = {file.distribution_path for file in builder.recurse_included_files()}

    static = STATIC.relative_to(ROOT).as_posix()
    assert {f"{static}/{name}" for name, _ in FILES.values()} <= paths


def test_languages_of_the_page() -> None:
    """The page has each text in both languages."""
    source = (STATIC / "chat.mjs").read_text(encoding="utf-8")
    texts = source.partition("const TEXTS = {")[2].partition("\n};")[0]
    names = re.sub(r'"[^"]*"|`[^`]*`', "", texts)
    english, chinese = names.split("\n  zh: {")
    keys = [set(re.findall(r"\b(\w+):", part.replace("en: {", ""))) for part in (english, chinese)]

    assert len(keys[0]) > 50
    assert keys[0] == keys[1]
