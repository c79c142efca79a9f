"""Setup against the stand-in: what changes, what stays, what is asked."""

import json
from collections.abc import Sequence

import pytest

from bot.adapters.oss.policies import RuleCoverage, net_below, rule_id
from bot.cli.common import CommandFailed
from bot.cli.setup import Outcome, run_setup
from bot.cli.setup.plan import Change, desired_for
from bot.core.errors import StoreForbidden, StoreKeyRefused, WrongRegion
from bot.demo.local_stack import BUCKET, LocalStack
from bot.sandbox.faults import Effect, Fault
from bot.sandbox.oss.lifecycle import parse_lifecycle
from bot.sandbox.oss.model import Bucket
from bot.sandbox.oss.policy import parse_policy

RULES = b"""<LifecycleConfiguration>
<Rule><ID>logs</ID><Prefix>logs/</Prefix><Status>Enabled</Status><Transition><Days>30</Days>
<StorageClass>Archive</StorageClass></Transition></Rule>
<Rule><ID>everything</ID><Prefix></Prefix><Status>Disabled</Status><Expiration><Days>90</Days>
</Expiration></Rule></LifecycleConfiguration>"""
STATEMENT = {
    "Effect": "Allow",
    "Principal": ["42"],
    "Action": ["oss:GetObject"],
    "Resource": [f"acs:oss:*:*:{BUCKET}/logs/*"],
}


async def set_up(
    stage: LocalStack,
    *,
    agrees: bool = True,
    asked: list[str] | None = None,
    public_read: bool = False,
    user: str | None = "777",
    remove: bool = False,
    dry_run: bool = False,
) -> Outcome:
    """Run a setup as an operator who agrees to everything, or to nothing."""

    def agree(changes: Sequence[Change]) -> bool:
        if asked is not None:
            asked.extend(change.what for change in changes)
        return agrees

    settings = stage.settings()
    desired = desired_for(settings, public_read=public_read, user=user)
    return await run_setup(
        settings, desired, agree=agree, remove=remove, dry_run=dry_run, clock=stage.clock
    )


def prefix_of(stage: LocalStack) -> str:
    """The prefix of the bot in the bucket."""
    return desired_for(stage.settings()).prefix


def names(changes: Sequence[Change]) -> list[str]:
    """What is changed, in order."""
    return [change.what for change in changes]


def state_of(bucket: Bucket) -> tuple[str, bool, bytes, str]:
    """Everything of a bucket that a setup could change."""
    return (
        bucket.acl,
        bucket.blocks_public_access,
        bucket.lifecycle.document if bucket.lifecycle else b"",
        bucket.policy.text if bucket.policy else "",
    )


async def test_makes_the_bucket(stage: LocalStack) -> None:
    """Without a bucket one is made: private, blocked, locally redundant, with rule and policy."""
    del stage.oss.buckets[BUCKET]
    asked: list[str] = []
    outcome = await set_up(stage, asked=asked)
    bucket = stage.oss.buckets[BUCKET]
    rules = bucket.lifecycle.document if bucket.lifecycle else None

    assert names(outcome.made) == ["bucket", "bucket policy", "lifecycle"]
    assert (bucket.acl, bucket.blocks_public_access, bucket.redundancy) == ("private", True, "LRS")
    assert net_below(rules, prefix_of(stage)) == RuleCoverage(expires=True, aborts=True)
    assert bucket.policy is not None
    assert {s.principals for s in bucket.policy.statements} == {("777",)}
    assert asked == []


async def test_a_second_time_changes_nothing(stage: LocalStack) -> None:
    """A setup that is in order already is left alone: no request writes."""
    await set_up(stage)
    before = len(stage.oss.log)
    outcome = await set_up(stage)
    methods = {entry.operation for entry in list(stage.oss.log)[before:]}

    assert (outcome.planned, outcome.made) == ([], [])
    assert not any(name.startswith(("Put", "Delete")) for name in methods)


async def test_dry_run(stage: LocalStack) -> None:
    """A dry run says what would change, asks no questions and changes nothing."""
    before, asked = state_of(stage.bucket), list[str]()
    outcome = await set_up(stage, dry_run=True, asked=asked)

    assert names(outcome.planned) == ["bucket policy", "lifecycle", "block public access"]
    assert (outcome.made, asked, state_of(stage.bucket)) == ([], [], before)


async def test_dry_run_without_a_bucket(stage: LocalStack) -> None:
    """A dry run without a bucket says what a new one would get, and makes none."""
    del stage.oss.buckets[BUCKET]
    outcome = await set_up(stage, dry_run=True)

    assert names(outcome.planned) == ["bucket", "bucket policy", "lifecycle"]
    assert stage.oss.buckets == {}


async def test_nothing_of_others_is_lost(stage: LocalStack) -> None:
    """Rules, statements and versioning of others are there afterwards, word for word."""
    bucket = stage.bucket
    bucket.versioning = "Enabled"
    bucket.lifecycle = parse_lifecycle(RULES, stage.clock.now())
    bucket.policy = parse_policy(json.dumps({"Version": "1", "Statement": [STATEMENT]}))
    theirs = bucket.lifecycle.document
    outcome = await set_up(stage)
    document, policy = bucket.lifecycle.document, json.loads(bucket.policy.text)

    assert theirs[theirs.index(b"<Rule>") : theirs.rindex(b"</Lifecycle")].strip() in document
    assert rule_id(prefix_of(stage)).encode() in document
    assert b"<NoncurrentDays>1</NoncurrentDays>" in document
    assert (policy["Statement"][0], len(policy["Statement"])) == (STATEMENT, 3)
    assert (bucket.versioning, "versioning is on" in outcome.notes[0]) == ("Enabled", True)


async def test_taken_back(stage: LocalStack) -> None:
    """Removing ends where the setup began, as far as rules and statements go."""
    bucket = stage.bucket
    bucket.lifecycle = parse_lifecycle(RULES, stage.clock.now())
    bucket.policy = parse_policy(json.dumps({"Version": "1", "Statement": [STATEMENT]}))
    await set_up(stage)
    outcome = await set_up(stage, remove=True)
    document = bucket.lifecycle.document

    assert names(outcome.made) == ["lifecycle", "bucket policy"]
    assert (document.count(b"<Rule>"), b"file-relay-bot" in document) == (2, False)
    assert json.loads(bucket.policy.text)["Statement"] == [STATEMENT]


async def test_taken_back_to_nothing(stage: LocalStack) -> None:
    """Where there was nothing but ours, nothing is left; a second time does nothing."""
    await set_up(stage)
    await set_up(stage, remove=True)
    again = await set_up(stage, remove=True)

    assert (stage.bucket.lifecycle, stage.bucket.policy, again.planned) == (None, None, [])


async def test_asks_before_the_whole_bucket(stage: LocalStack) -> None:
    """ACL and block of a bucket that exists are asked for; a no leaves them and does the rest."""
    stage.bucket.acl = "public-read"
    asked: list[str] = []
    outcome = await set_up(stage, agrees=False, asked=asked)

    assert asked == ["bucket ACL", "block public access"]
    assert names(outcome.declined) == asked
    assert names(outcome.made) == ["bucket policy", "lifecycle"]
    assert (stage.bucket.acl, stage.bucket.blocks_public_access) == ("public-read", False)


async def test_public_links(stage: LocalStack) -> None:
    """Public links need the block off, and the bucket stays private."""
    stage.more["RELAY_LINK__MODE"] = "public"
    stage.bucket.blocks_public_access = True
    await set_up(stage)

    assert (stage.bucket.acl, stage.bucket.blocks_public_access) == ("private", False)


async def test_public_bucket(stage: LocalStack) -> None:
    """The plain recipe: the whole bucket is readable."""
    stage.more["RELAY_LINK__MODE"] = "public"
    del stage.oss.buckets[BUCKET]
    await set_up(stage, public_read=True)
    bucket = stage.oss.buckets[BUCKET]

    assert (bucket.acl, bucket.blocks_public_access) == ("public-read", False)


async def test_the_account_forbids_it(stage: LocalStack) -> None:
    """A block of the whole account is found before anything is changed, and explained."""
    stage.more["RELAY_LINK__MODE"] = "public"
    stage.oss.world.blocks_public_access = True
    before = state_of(stage.bucket)
    with pytest.raises(CommandFailed, match="the whole account blocks it"):
        await set_up(stage)

    assert state_of(stage.bucket) == before


async def test_without_a_user_the_policy_is_left_alone(stage: LocalStack) -> None:
    """Without a RAM user there is no one to give access to: the policy stays unset."""
    outcome = await set_up(stage, user=None)

    assert (names(outcome.made), stage.bucket.policy) == (
        ["lifecycle", "block public access"],
        None,
    )


async def test_a_bucket_elsewhere(stage: LocalStack) -> None:
    """A bucket of another region is named as such."""
    stage.bucket.region = "cn-beijing"
    with pytest.raises(WrongRegion, match="oss-cn-beijing"):
        await set_up(stage)


async def test_a_bucket_of_somebody_else(stage: LocalStack) -> None:
    """Names are global: a bucket of another account is nothing to set up."""
    stage.bucket.owner = "9999"
    with pytest.raises(StoreForbidden):
        await set_up(stage)


async def test_the_policy_lets_its_user_in(stage: LocalStack) -> None:
    """The RAM user whom the policy serves may work there over https, though RAM gives nothing."""
    await set_up(stage)
    stage.oss.add_key("LTAI-user", "secret-of-user", user="777", allow=[])
    stage.oss.world.is_secure = True
    stage.more |= {
        "RELAY_OSS__ACCESS_KEY_ID": "LTAI-user",
        "RELAY_OSS__ACCESS_KEY_SECRET": "secret-of-user",
        "RELAY_ACCESS__USERS": "1",
    }
    await stage.start_bot()

    assert {entry.status for entry in stage.oss.log.of("PutObject")} == {200}


REFUSALS = {
    "PutBucketPolicy": "bucket policy",
    "PutBucketLifecycle": "lifecycle",
    "PutBucketACL": "bucket ACL",
    "PutBucketPublicAccessBlock": "block public access",
}


@pytest.mark.parametrize("operation", REFUSALS)
async def test_one_change_is_refused(stage: LocalStack, operation: str) -> None:
    """Every other change is made, and the refused one is told in OSS's words, with a remedy."""
    stage.bucket.acl = "public-read"
    stage.oss.faults.add(Fault(operation, Effect.ERROR, times=0, args={"status": 403}))
    outcome = await set_up(stage)
    (refused,) = outcome.refused

    assert refused.change.what == REFUSALS[operation]
    assert set(names(outcome.made)) == set(REFUSALS.values()) - {REFUSALS[operation]}
    assert f"{operation}: AccessDenied (HTTP 403" in refused.why.replace("Acl", "ACL")
    assert "RELAY_OSS__ACCESS_KEY_ID=" in refused.remedy


@pytest.mark.parametrize("name", ["Policy", "Lifecycle", "PublicAccessBlock"])
async def test_one_part_cannot_be_read(stage: LocalStack, name: str) -> None:
    """What may not be read is not overwritten; everything else is done."""
    fault = Fault(f"GetBucket{name}", Effect.ERROR, times=0, args={"status": 403})
    stage.oss.faults.add(fault)
    outcome = await set_up(stage)
    expected = [] if name == "PublicAccessBlock" else [f"GetBucket{name}"]

    assert [refused.why.partition(":")[0] for refused in outcome.refused] == expected
    assert len(outcome.made) + len(outcome.refused) == len(outcome.planned) == 3


async def test_what_needs_a_refused_change_is_not_tried(stage: LocalStack) -> None:
    """A public ACL cannot be set while the block is on, and says so."""
    stage.more["RELAY_LINK__MODE"] = "public"
    stage.bucket.blocks_public_access = True
    fault = Fault("PutBucketPublicAccessBlock", Effect.ERROR, args={"status": 403})
    stage.oss.faults.add(fault)
    outcome = await set_up(stage, public_read=True)

    assert [refused.change.what for refused in outcome.refused] == [
        "block public access",
        "bucket ACL",
    ]
    assert "block public access" in outcome.refused[1].why
    assert names(outcome.made) == ["bucket policy", "lifecycle"]
    assert stage.oss.log.of("PutBucketACL") == []


async def test_bucket_that_cannot_be_made(stage: LocalStack) -> None:
    """Nothing else is tried without the bucket."""
    del stage.oss.buckets[BUCKET]
    stage.oss.faults.add(Fault("PutBucket", Effect.ERROR, args={"status": 403}))
    outcome = await set_up(stage)

    assert (names([r.change for r in outcome.refused]), outcome.made) == (["bucket"], [])
    assert stage.oss.buckets == {}


def rule(prefix: str, *actions: str) -> bytes:
    """Return a configuration with one rule of another program."""
    parts = "".join(actions)
    return (
        "<LifecycleConfiguration><Rule><ID>theirs</ID>"
        f"<Prefix>{prefix}</Prefix><Status>Enabled</Status>{parts}</Rule></LifecycleConfiguration>"
    ).encode()


EXPIRES = "<Expiration><Days>1</Days></Expiration>"
ABORTS = "<AbortMultipartUpload><Days>1</Days></AbortMultipartUpload>"
MOVES = "<Transition><Days>1</Days><StorageClass>IA</StorageClass></Transition>"


async def test_rule_that_covers_ours(stage: LocalStack) -> None:
    """Where a foreign rule does the same, no other is added: OSS would refuse an equal
    prefix.
    """
    for prefix in (prefix_of(stage), "relay/", ""):
        document = rule(prefix, EXPIRES, ABORTS)
        stage.bucket.lifecycle = parse_lifecycle(document, stage.clock.now())
        outcome = await set_up(stage)

        assert (outcome.refused, "lifecycle" in names(outcome.planned)) == ([], False)
    stage.bucket.versioning = "Enabled"
    assert "lifecycle" in names((await set_up(stage, dry_run=True)).planned)


@pytest.mark.parametrize(
    ("actions", "ec"), [((EXPIRES,), "0014-00000085"), ((MOVES, ABORTS), "0014-00000082")]
)
async def test_rule_that_conflicts(stage: LocalStack, actions: tuple[str, ...], ec: str) -> None:
    """A rule that OSS refuses beside a present one is told with what to do; the rest is done."""
    prefix = prefix_of(stage) if ec.endswith("85") else "relay/"
    stage.bucket.lifecycle = parse_lifecycle(rule(prefix, *actions), stage.clock.now())
    outcome = await set_up(stage)
    (refused,) = outcome.refused

    assert (refused.change.what, ec in refused.why, ec in refused.remedy) == (
        "lifecycle",
        True,
        True,
    )
    assert names(outcome.made) == ["bucket policy", "block public access"]


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ({"IpAddress": {"acs:SourceIp": ["10.0.0.0/8"]}}, "0030-00000008"),
        ({"Bool": {"acs:SecureTransport": "true"}}, "present statement is public"),
    ],
)
async def test_policy_that_cannot_be_put_again(
    stage: LocalStack, condition: dict[str, object], words: str
) -> None:
    """A present statement that OSS takes no more is the reason, and is named."""
    statement = STATEMENT | {"Principal": ["*"], "Condition": condition}
    stage.bucket.policy = parse_policy(json.dumps({"Version": "1", "Statement": [statement]}))
    stage.bucket.blocks_public_access = True
    outcome = await set_up(stage)
    (refused,) = outcome.refused

    assert (refused.change.what, words in refused.remedy) == ("bucket policy", True)
    assert names(outcome.made) == ["lifecycle"]


async def test_unknown_key_without_a_bucket(stage: LocalStack) -> None:
    """OSS looks for the bucket first; the key is judged before a bucket is said to be missing."""
    stage.oss.buckets.clear()
    stage.more["RELAY_OSS__ACCESS_KEY_ID"] = "LTAI-nobody"
    with pytest.raises(StoreKeyRefused, match="InvalidAccessKeyId"):
        await set_up(stage)
