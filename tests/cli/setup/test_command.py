"""The setup as an operator types it."""

import pytest

from bot.demo.local_stack import BUCKET, LocalStack
from tests.cli.shell import type_in


async def test_dry_run_then_setup(stage: LocalStack) -> None:
    """First the difference, then the change, then nothing to change; the key lacks nothing, so no
    policy is printed.
    """
    dry = await type_in(stage, "setup", "--dry-run")
    done = await type_in(stage, "setup", "--yes", "--user-id", "42")
    again = await type_in(stage, "setup", "--yes", "--user-id", "42")

    assert [dry.code, done.code, again.code] == [0, 0, 0]
    assert ["would change" in dry.out, "changed" in done.out] == [True, True]
    assert "nothing to change" in again.out
    assert not any("oss:PutObject" in printed.out for printed in (dry, done, again))
    assert not stage.bucket.objects


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


@pytest.mark.parametrize("right", ["oss:PutObject", "oss:DeleteObject", "oss:GetBucketPolicy"])
async def test_a_key_that_lacks_a_right(stage: LocalStack, right: str) -> None:
    """What the bot needs of the key is tried, and the policy printed if a right is missing."""
    rights = {"oss:Get*", "oss:Put*", "oss:DeleteObject", "oss:List*"} - {right}
    if right == "oss:PutObject":
        rights = rights - {"oss:Put*"} | {"oss:PutBucket*"}
    if right == "oss:GetBucketPolicy":
        rights = rights - {"oss:Get*"} | {"oss:GetBucketInfo", "oss:GetBucketLifecycle"}
    stage.oss.add_key("LTAI-less", "less-secret", allow=sorted(rights), user="7")
    stage.more["RELAY_OSS__ACCESS_KEY_ID"] = "LTAI-less"
    stage.more["RELAY_OSS__ACCESS_KEY_SECRET"] = "less-secret"
    done = await type_in(stage, "setup", "--yes")

    assert "oss:AbortMultipartUpload" in done.out


async def test_only_the_policy(stage: LocalStack) -> None:
    """The policy is there for pasting, without a word around it and without a call."""
    done = await type_in(stage, "setup", "--policy")

    assert (done.code, done.json["Version"], len(stage.oss.log)) == (0, "1", 0)


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
