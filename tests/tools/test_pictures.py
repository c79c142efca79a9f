"""The pictures of the README: each is there, small, and made by `make pictures`."""

import re
from pathlib import Path

import pytest
from playwright.async_api import async_playwright, expect

from tests.tools.pictures import (
    ARGUMENTS,
    CHROMIUM,
    LANGUAGES,
    LARGEST,
    paths,
    studio,
    take_all,
)
from tests.tools.sources import ROOT

PNG = b"\x89PNG\r\n\x1a\n"
READMES = {"README.md": "en", "README.zh-Hans.md": "zh-Hans"}
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")


@pytest.mark.parametrize("path", paths(), ids=lambda path: path.name)
def test_picture_is_there(path: Path) -> None:
    """A picture is a PNG that opens at once."""
    content = path.read_bytes()

    assert content.startswith(PNG)
    assert len(content) < LARGEST


@pytest.mark.parametrize(("name", "code"), READMES.items())
def test_readme_shows_them(name: str, code: str) -> None:
    """A README shows the pictures of its language, each with words for those who do not see it."""
    text = (ROOT / name).read_text(encoding="utf-8")
    shown = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", text)

    expected = {str(path.relative_to(ROOT)) for path in paths() if f".{code}." in path.name}
    assert {target for _, target in shown} == expected
    assert all(words for words, _ in shown)


def test_no_other_pictures() -> None:
    """The folder has only pictures that are made and shown."""
    assert sorted(paths()[0].parent.iterdir()) == sorted(paths())


@needs_chromium
@pytest.mark.long
@pytest.mark.timeout(300)
async def test_all_are_made(tmp_path: Path) -> None:
    """`make pictures` makes every picture, each small enough."""
    await take_all(tmp_path / "new")
    made = paths(tmp_path / "new")

    assert sorted((tmp_path / "new").iterdir()) == sorted(made)
    assert [path.name for path in made if path.stat().st_size >= LARGEST] == []


@needs_chromium
@pytest.mark.long
@pytest.mark.timeout(120)
async def test_service_messages(tmp_path: Path) -> None:
    """The page shows what happened in a group, in its language, as a line without a sender."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS])
        async with studio(browser, LANGUAGES[0], tmp_path, is_wide=True) as opened:
            group, bob = opened.cast.group, opened.cast.admin
            erin = opened.stage.telegram.add_user("Erin")
            await opened.page.get_by_role("button", name="# General").click()
            await group.join(erin)
            await group.join(erin, by=bob)
            await group.leave(erin)
            await group.close_topic(bob)
            await group.send_service_message(bob, {"pinned_message": {"message_id": 1}})
            lines = opened.page.locator("#messages .service")
            await expect(lines).to_have_text(
                [
                    "Erin joined the group",
                    "Bob added Erin",
                    "Erin left the group",
                    "Bob closed the topic",
                    "Bob pinned a message",
                ]
            )
            await opened.page.get_by_role("button", name="# Holiday").click()
            await expect(lines).to_have_text(["Bob created the topic “Holiday”"])
            await expect(opened.page.get_by_text("No messages yet.")).to_be_visible()
            await opened.page.locator("#language").select_option("zh")
            await expect(lines).to_have_text(["Bob 创建了话题“Holiday”"])
        await browser.close()
