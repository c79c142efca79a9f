"""The setup as an operator types it."""

import pytest

from bot.demo.local_stack import BUCKET, LocalStack
from tests.cli.shell import type_in


async def test_dry_run_then_setup(stage: LocalStack) -> None:
    """First the difference, then the change, then nothing to change; no policy, for none lacks."""
    dry = await type_in(stage, "setup", "--dry-run")
    done = await type_in(stage, "setup", "--yes", "--user-id", "42")
    again = await type_in(stage, "setup", "--yes", "--user-id", "42")

    assert [dry.code, done.code, again.code] == [0, 0, 0]
    assert ["would change" in dry.out, "changed" in done.out] == [True, True]
    assert "nothing to change" in again.out
    assert "oss:PutObject" not in dry.out + done.out + again.out


async def test_not_agreed(stage: LocalStack) -> None:
    """Without a terminal no change can be agreed to; the rest is done, and the exit
    code says so.
    """
    done = await type_in(stage, "setup", "--json")

    assert (done.code, stage.bucket.blocks_public_access) == (1, False)
    assert [change["what"] for change in done.json["declined"]] == ["block public access"]
    assert [change["what"] for change in done.json["made"]] == ["lifecycle"]


async def test_a_key_that_may_not(stage: LocalStack) -> None:
    """A key without the right to change the bucket is told how to lend another one."""
    stage.oss.add_key("LTAI-less", "less-secret", allow=["oss:Get*"], user="7")
    stage.more["RELAY_OSS__ACCESS_KEY_ID"] = "LTAI-less"
    stage.more["RELAY_OSS__ACCESS_KEY_SECRET"] = "less-secret"
    done = await type_in(stage, "setup", "--yes")

    lines = done.err.splitlines()
    assert (done.code, len(lines)) == (1, 2)
    assert all("Remedy: use a key with this permission" in line for line in lines)
    assert ["lifecycle" in lines[0], "block public access" in lines[1]] == [True, True]
    assert "less-secret" not in done.err


async def test_the_policy(stage: LocalStack) -> None:
    """A key that lacks a permission is shown the whole policy; `--policy` prints that of a running
    bot, and asks OSS nothing.
    """
    only = await type_in(stage, "setup", "--policy")
    asked = len(stage.oss.log)
    stage.oss.add_key("LTAI-less", "less-secret", allow=[], user="7")
    stage.more["RELAY_OSS__ACCESS_KEY_ID"] = "LTAI-less"
    stage.more["RELAY_OSS__ACCESS_KEY_SECRET"] = "less-secret"
    lacking = await type_in(stage, "setup", "--yes")

    assert (only.code, asked, "oss:PutObject" in only.out) == (0, 0, True)
    assert "oss:PutBucketLifecycle" not in only.out
    assert (lacking.code, "oss:PutBucketLifecycle" in lacking.out) == (1, True)
    assert "https://ram.console.aliyun.com/policies" in lacking.out


async def test_in_chinese(stage: LocalStack) -> None:
    """The language of the terminal is that of the answers."""
    stage.more["LC_ALL"] = "zh_CN.UTF-8"
    by_locale = await type_in(stage, "setup", "--dry-run")
    english = await type_in(stage, "setup", "--dry-run", "--lang", "en")

    assert ["将会更改" in by_locale.out, "将会更改" in english.out] == [True, False]


@pytest.mark.parametrize("words", [["--public-read-bucket"], ["--user-id", "bob"]])
async def test_wrong_command_lines(stage: LocalStack, words: list[str]) -> None:
    """Options that make no sense are refused before anything is asked of OSS."""
    done = await type_in(stage, "setup", *words)

    assert (done.code, len(stage.oss.log)) == (2, 0)


async def test_bad_settings(stage: LocalStack) -> None:
    """Settings that cannot be used are named."""
    stage.more["RELAY_OSS__BUCKET"] = "No Bucket"
    done = await type_in(stage, "setup")

    assert (done.code, "oss.bucket" in done.err, BUCKET in done.out) == (2, True, False)
