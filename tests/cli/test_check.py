"""`relay-bot run --check` as an operator types it."""

import pytest

from bot.demo.local_stack import BUCKET, LocalStack
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


@pytest.mark.parametrize("words", [["run"], ["run", "--check", "-s", "mine.toml"], ["status"]])
async def test_no_settings(stage: LocalStack, words: list[str]) -> None:
    """Without a file the one that was looked for is named, and the command that makes one."""
    stage.more["RELAY_TELEGRAM__TOKEN"] = ""
    done = await type_in(stage, *words)
    name = words[-1] if "-s" in words else "settings.toml"

    assert done.code == 2
    assert f"no file {stage.folder / name}; relay-bot init makes one" in done.err


async def test_variables_that_beat_the_file(stage: LocalStack) -> None:
    """A variable with another value than the file is named, without the value; an equal one and
    one that the file does not have are not.
    """
    lines = ["[telegram]", 'token = "1:other"', "[oss]", f'bucket = "{BUCKET}"']
    path = stage.folder / "settings.toml"
    path.write_text("\n".join(lines))
    path.chmod(0o600)
    check = await type_in(stage, "run", "--check")
    doctor = await type_in(stage, "doctor", "--json")
    told = [line for line in check.err.splitlines() if "of the environment beats" in line]

    assert (check.code, len(told)) == (0, 1)
    assert told[0].startswith("warning: telegram.token: RELAY_TELEGRAM__TOKEN of the environment")
    assert "RELAY_TELEGRAM__TOKEN of the environment beats" in doctor.out
    assert stage.telegram.token not in check.err + doctor.out
