"""Bucket policies: read and decided, then through the SDK."""

import json
from typing import Any

import aiohttp
import alibabacloud_oss_v2 as sdk
import pytest

from bot.sandbox.oss import OssStandIn
from bot.sandbox.oss.errors import OssError
from bot.sandbox.oss.model import Bucket
from bot.sandbox.oss.policy import AccessQuestion, decide, parse_policy
from tests.sandbox.oss.sdk import BUCKET, refusal, run, sdk_client

ALLOW = {
    "Effect": "Allow",
    "Principal": ["7"],
    "Action": ["oss:GetObject", "oss:List*"],
    "Resource": ["acs:oss:*:1:b/pub/*"],
}
FACTS = {
    "acs:SourceVpc": "",
    "acs:SourceVpcId": "",
    "acs:SourceVpcIp": "",
    "acs:AccessId": "LTAI-u",
    "acs:SecureTransport": "false",
    "acs:SourceIp": "127.0.0.1",
    "oss:Prefix": "a/",
    "oss:Delimiter": "",
}


def policy(*statements: dict[str, Any], version: str = "1") -> str:
    """Write a policy."""
    return json.dumps({"Version": version, "Statement": statements})


def ask(
    action: str = "oss:GetObject", key: str = "pub/k", user: str | None = "7"
) -> AccessQuestion:
    """Ask whether a user may do something with a key."""
    users = frozenset({user} if user else ())
    return AccessQuestion(users, action, f"acs:oss:cn-hongkong:1:b/{key}", FACTS)


@pytest.mark.parametrize(
    ("question", "speaks"),
    [
        (ask(), True),
        (ask("oss:getobject"), True),
        (ask("oss:ListParts"), True),
        (ask("oss:PutObject"), False),
        (ask(key="private/k"), False),
        (ask(user="8"), False),
        (ask(user=None), False),
    ],
)
def test_applies(question: AccessQuestion, *, speaks: bool) -> None:
    """A statement speaks of its principals, actions and resources only."""
    assert (decide(parse_policy(policy(ALLOW)), question) is not None) is speaks


@pytest.mark.parametrize(
    ("condition", "speaks"),
    [
        ({"Bool": {"acs:SecureTransport": "false"}}, True),
        ({"Bool": {"acs:SecureTransport": ["true"]}}, False),
        ({"StringEquals": {"oss:Prefix": ["a/", "b/"]}}, True),
        ({"StringNotEquals": {"oss:Prefix": "a/"}}, False),
        ({"StringLike": {"oss:Prefix": "a*"}}, True),
        ({"StringNotLike": {"oss:Prefix": "?/"}}, False),
        ({"IpAddress": {"acs:SourceIp": ["10.0.0.0/8", "127.0.0.0/8"]}}, True),
        ({"NotIpAddress": {"acs:SourceIp": "127.0.0.1"}}, False),
        ({"StringEquals": {"acs:AccessId": "LTAI-u"}}, True),
        ({"StringLike": {"acs:SourceVpc": "vpc-*"}}, False),
        ({"StringNotLike": {"acs:SourceVpc": "vpc-*"}}, True),
        ({"IpAddress": {"acs:SourceVpcIp": "127.0.0.0/8"}}, False),
        ({"Bool": {"acs:SecureTransport": "false"}, "StringLike": {"oss:Prefix": "b*"}}, False),
    ],
)
def test_condition(condition: dict[str, Any], *, speaks: bool) -> None:
    """All conditions must hold, any value of each is enough."""
    text = policy({**ALLOW, "Condition": condition})

    assert (decide(parse_policy(text), ask()) is not None) is speaks


def test_deny_comes_first() -> None:
    """A denial decides, wherever it stands."""
    deny = {**ALLOW, "Effect": "Deny", "Principal": "*"}
    decided = decide(parse_policy(policy(ALLOW, deny)), ask())

    assert decided is not None
    assert decided.is_deny


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        policy(ALLOW, version="2"),
        policy({**ALLOW, "Effect": "Perhaps"}),
        policy({**ALLOW, "NotAction": []}),
        policy({**ALLOW, "Action": 5}),
        policy({**ALLOW, "Condition": {"Bool": {"acs:Weather": "true"}}}),
        policy({**ALLOW, "Condition": {"DateLessThan": {"acs:SourceIp": "x"}}}),
    ],
)
def test_refused(text: str) -> None:
    """What could not be carried out is refused when it is put."""
    with pytest.raises(OssError, match="InvalidPolicyDocument"):
        parse_policy(text)


def statement(effect: str, principal: str, action: str, **more: Any) -> dict[str, Any]:
    """Write a statement about everything in the bucket."""
    resources = [f"acs:oss:*:*:{BUCKET}", f"acs:oss:*:*:{BUCKET}/*"]
    return {
        "Effect": effect,
        "Principal": [principal],
        "Action": [action],
        "Resource": resources,
        **more,
    }


async def put_policy(client: Any, *statements: dict[str, Any]) -> Any:
    """Put a policy."""
    request = sdk.PutBucketPolicyRequest(BUCKET, body=policy(*statements))
    return await run(client.put_bucket_policy, request)


async def test_stored_whole(client: Any, bucket: Bucket) -> None:
    """A policy is given back as it was put, and is gone when deleted."""
    await put_policy(client, statement("Allow", "7", "oss:GetObject"))
    got = await run(client.get_bucket_policy, sdk.GetBucketPolicyRequest(BUCKET))
    status = await run(client.get_bucket_policy_status, sdk.GetBucketPolicyStatusRequest(BUCKET))
    await run(client.delete_bucket_policy, sdk.DeleteBucketPolicyRequest(BUCKET))
    error = await refusal(client.get_bucket_policy, sdk.GetBucketPolicyRequest(BUCKET))

    assert json.loads(got.body) == json.loads(policy(statement("Allow", "7", "oss:GetObject")))
    assert (status.policy_status.is_public, error.code) == (False, "NoSuchBucketPolicy")
    assert bucket.policy is None


async def test_public_read(
    client: Any, oss: OssStandIn, bucket: Bucket, http: aiohttp.ClientSession
) -> None:
    """A policy can open a private bucket; blocking public access closes it again."""
    await run(client.put_object, sdk.PutObjectRequest(BUCKET, "k", body=b"x"))
    await put_policy(client, statement("Allow", "*", "oss:GetObject"))
    statuses = []
    for blocked in (False, True):
        oss.world.blocks_public_access = blocked
        async with http.get(f"{oss.endpoint}/{BUCKET}/k") as answer:
            statuses.append(answer.status)

    assert (statuses, bucket.acl) == ([200, 403], "private")


async def test_blocked_put(client: Any, bucket: Bucket) -> None:
    """A public policy is refused while public access is blocked."""
    bucket.blocks_public_access = True
    request = sdk.PutBucketPolicyRequest(
        BUCKET, body=policy(statement("Allow", "*", "oss:GetObject"))
    )
    error = await refusal(client.put_bucket_policy, request)

    assert (error.code, bucket.policy) == ("AccessDenied", None)


async def test_user_of_the_account(client: Any, oss: OssStandIn, bucket: Bucket) -> None:
    """A policy gives a RAM user what its own policy does not, and a denial takes it away."""
    oss.add_key("LTAI-u", "s", user="7", allow=[])
    request = sdk.PutObjectRequest(BUCKET, "k", body=b"x")
    with sdk_client(oss, key_id="LTAI-u", secret="s") as user:
        await put_policy(client, statement("Allow", "7", "oss:PutObject"))
        await run(user.put_object, request)
        denial = statement("Deny", "7", "oss:*")
        await put_policy(client, statement("Allow", "7", "oss:PutObject"), denial)
        error = await refusal(user.put_object, request)

    assert (error.status_code, error.code) == (403, "AccessDenied")
    assert [*bucket.objects] == ["k"]


async def test_https_only(client: Any, oss: OssStandIn, bucket: Bucket) -> None:
    """A denial with a condition binds the account itself."""
    condition = {"Bool": {"acs:SecureTransport": ["false"]}}
    await put_policy(client, statement("Deny", "*", "oss:*", Condition=condition))
    request = sdk.PutObjectRequest(BUCKET, "k", body=b"x")
    error = await refusal(client.put_object, request)
    oss.world.is_secure = True
    await run(client.put_object, request)

    assert (error.status_code, error.code) == (403, "AccessDenied")
    assert [*bucket.objects] == ["k"]


HTTPS = {"Bool": {"acs:SecureTransport": "true"}}
NO_VPC = {"StringNotLike": {"acs:SourceVpc": ["vpc-*"]}}


def source(*networks: str) -> dict[str, Any]:
    """Write a condition for source addresses outside of any VPC, as 0030-00000008 shows it."""
    return {"IpAddress": {"acs:SourceIp": [*networks]}, **NO_VPC}


@pytest.mark.parametrize(
    ("principal", "condition", "is_public"),
    [
        ("*", {}, True),
        (["7", "*"], {}, True),
        (["27*"], {}, True),
        ([], {}, True),
        (None, {}, True),
        (["7"], {}, False),
        ("*", HTTPS, True),
        ([], HTTPS, True),
        ("*", {"StringLike": {"oss:Prefix": "a/*"}}, True),
        ("*", {"StringEquals": {"acs:SourceVpc": "vpc-1"}}, False),
        ("*", {"StringEquals": {"acs:SourceVpcId": ["vpc-1", "vpc-2"]}}, False),
        ("*", {"StringEquals": {"acs:AccessId": "LTAI-7"}, **HTTPS}, False),
        ("*", {"StringLike": {"acs:SourceVpc": ["vpc-*"]}}, True),
        ("*", {"StringLike": {"acs:AccessId": ["LTAI-7", "STS.*"]}}, True),
        ("*", {"StringNotEquals": {"acs:AccessId": "LTAI-7"}}, True),
        ("*", NO_VPC, True),
        ("*", source("140.1.0.0/16"), False),
        ("*", source("10.0.0.0/8", "2001::/32"), False),
        ("*", source("0.0.0.0/0"), True),
        ("*", source("140.1.0.0/16", "128.0.0.0/7"), True),
        ("*", source("2000::/31"), True),
        ("*", {"IpAddress": {"acs:SourceVpcIp": "10.0.0.0/8"}}, False),
    ],
)
async def test_what_is_public(
    client: Any,
    bucket: Bucket,
    principal: Any,
    condition: dict[str, Any],
    *,
    is_public: bool,
) -> None:
    """A public policy is called so, and is refused while public access is blocked."""
    entry = statement("Allow", "7", "oss:GetObject", Condition=condition)
    del entry["Principal"]
    if principal is not None:
        entry["Principal"] = principal
    await put_policy(client, entry)
    asked = await run(client.get_bucket_policy_status, sdk.GetBucketPolicyStatusRequest(BUCKET))
    bucket.blocks_public_access, bucket.policy = True, None
    request = sdk.PutBucketPolicyRequest(BUCKET, body=policy(entry))
    if is_public:
        assert (await refusal(client.put_bucket_policy, request)).code == "AccessDenied"
    else:
        await run(client.put_bucket_policy, request)

    assert asked.policy_status.is_public is is_public


@pytest.mark.parametrize("principal", ["*", [], None])
async def test_stranger_writes(
    client: Any, oss: OssStandIn, bucket: Bucket, http: aiohttp.ClientSession, principal: Any
) -> None:
    """Without a principal the whole public is meant, a condition that holds for all or not."""
    insecure = {"Bool": {"acs:SecureTransport": "false"}}
    entry = statement("Allow", "*", "oss:PutObject", Condition=insecure)
    del entry["Principal"]
    if principal is not None:
        entry["Principal"] = principal
    await put_policy(client, entry)
    statuses = []
    for blocked in (False, True):
        bucket.blocks_public_access = blocked
        async with http.put(f"{oss.endpoint}/{BUCKET}/k", data=b"x") as answer:
            statuses.append(answer.status)

    assert statuses == [200, 403]


@pytest.mark.parametrize("effect", ["Allow", "Deny"])
@pytest.mark.parametrize("operator", ["IpAddress", "NotIpAddress"])
async def test_source_address_needs_vpc(
    client: Any, bucket: Bucket, effect: str, operator: str
) -> None:
    """A source address without a VPC is refused, even where the policy was there before."""
    bare = {operator: {"acs:SourceIp": ["10.10.10.10"]}}
    text = policy(statement(effect, "7", "oss:GetObject", Condition=bare))
    bucket.policy = old = parse_policy(text)
    request = sdk.PutBucketPolicyRequest(BUCKET, body=text)
    error = await refusal(client.put_bucket_policy, request)
    assert (error.status_code, error.ec, bucket.policy) == (400, "0030-00000008", old)

    await put_policy(client, statement(effect, "7", "oss:GetObject", Condition={**bare, **NO_VPC}))
    assert bucket.policy is not old
