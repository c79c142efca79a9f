"""`relay-bot run --check` as an operator types it."""

import json

import pytest

from bot.demo.local_stack import LocalStack
from tests.cli.shell import type_in

TEMPORARY = {
    "RELAY_OSS__ACCESS_KEY_ID": "",
    "RELAY_OSS__ACCESS_KEY_SECRET": "",
    "RELAY_OSS__TOKEN_EXPIRES_AT": "2099-01-31T18:00:00Z",
    "OSS_ACCESS_KEY_ID": "STS.id",
    "OSS_ACCESS_KEY_SECRET": "sts-secret",
    "OSS_SESSION_TOKEN": "sts-token",
}


async def test_public_links_of_a_key_that_ends(stage: LocalStack) -> None:
    """A key that is not renewed is refused in public mode, in a line, and only there."""
    stage.more |= TEMPORARY
    signed = await type_in(stage, "run", "--check")
    stage.more["RELAY_LINK__MODE"] = "public"
    public = await type_in(stage, "run", "--check")
    lines = [line for line in public.err.splitlines() if line.startswith("settings: ")]

    assert (signed.code, public.code) == (0, 2)
    assert len(lines) == 1
    assert "needs a key that is renewed" in lines[0]
    assert "sts-secret" not in public.err


@pytest.mark.parametrize("role", ["front", "worker"])
async def test_role_that_needs_a_server(stage: LocalStack, role: str) -> None:
    """A file cannot be shared by machines: one line says so, with the code of bad settings."""
    refused = await type_in(stage, "run", "--role", role)

    assert refused.code == 2
    assert refused.err.splitlines()[-1].endswith("set ledger.url")
    assert not (stage.folder / "relay.sqlite3").exists()


async def test_variables_that_beat_the_file(stage: LocalStack) -> None:
    """The check and the doctor name the variable, and not its value."""
    path = stage.folder / "settings.toml"
    path.write_text('[link]\nmode = "public"\n', encoding="utf-8")
    path.chmod(0o600)
    stage.more["RELAY_LINK__MODE"] = "signed"
    checked = await type_in(stage, "run", "--check")
    seen = await type_in(stage, "doctor", "--json")
    row = json.loads(seen.out.splitlines()[0])

    assert (checked.code, "link.mode: RELAY_LINK__MODE is set" in checked.err) == (0, True)
    assert (row["name"], row["verdict"]) == ("settings", "warning")
    assert "RELAY_LINK__MODE" in row["meaning"]


@pytest.mark.parametrize("words", [["run"], ["run", "--check", "-s", "mine.toml"], ["status"]])
async def test_no_settings(stage: LocalStack, words: list[str]) -> None:
    """Without a file the one that was looked for is named, and the command that makes one."""
    stage.more["RELAY_TELEGRAM__TOKEN"] = ""
    done = await type_in(stage, *words)
    name = words[-1] if "-s" in words else "settings.toml"

    assert done.code == 2
    assert f"no file {stage.folder / name}; relay-bot init makes one" in done.err
