"""Keys and clocks, as the SDK meets them."""

from datetime import timedelta
from typing import Any

import aiohttp
import alibabacloud_oss_v2 as sdk
import pytest

from bot.sandbox.oss import OssStandIn
from bot.sandbox.oss.authentication import timestamp
from bot.sandbox.oss.model import Bucket
from bot.sandbox.oss.remote import RemoteOss
from tests.sandbox.oss.sdk import BUCKET, refusal, run, sdk_client

HEAD = sdk.HeadObjectRequest(BUCKET, "k")
PUT = sdk.PutObjectRequest(BUCKET, "k", body=b"x")
EXPIRED = (403, "SecurityTokenExpired")


async def refused(oss: OssStandIn, **changes: Any) -> Any:
    """Put an object with another configuration and return the service's error."""
    with sdk_client(oss, **changes) as client:
        return await refusal(client.put_object, PUT)


async def test_unknown_key(oss: OssStandIn, bucket: Bucket) -> None:
    """An unknown access key."""
    error = await refused(oss, key_id="LTAI-other")

    assert (
        error.status_code,
        error.code,
        error.ec,
    ) == (403, "InvalidAccessKeyId", "0002-00000902")
    assert bucket.objects == {}


async def test_disabled_key(oss: OssStandIn, bucket: Bucket) -> None:
    """An access key that was switched off."""
    oss.add_key("LTAI-off", "s", enabled=False)
    error = await refused(oss, key_id="LTAI-off", secret="s")

    assert (error.code, error.ec) == ("InvalidAccessKeyId", "0002-00000903")
    assert bucket.objects == {}


async def test_wrong_secret(oss: OssStandIn, bucket: Bucket) -> None:
    """The right key with the wrong secret."""
    error = await refused(oss, secret="wrong")

    assert (error.status_code, error.code) == (403, "SignatureDoesNotMatch")
    assert error.error_fileds["StringToSign"].startswith("OSS4-HMAC-SHA256\n")
    assert bucket.objects == {}


async def test_wrong_region_in_scope(oss: OssStandIn, bucket: Bucket) -> None:
    """A configuration whose region is not that of the endpoint."""
    error = await refused(oss, region="cn-beijing")

    assert (error.status_code, error.code, error.ec) == (400, "InvalidArgument", "0002-00000226")
    assert bucket.objects == {}


async def test_skewed_clock(oss: OssStandIn, bucket: Bucket) -> None:
    """A service whose clock is 16 minutes ahead refuses, and says its own time."""
    oss.clock_skew = timedelta(minutes=16)
    error = await refused(oss)

    assert (error.status_code, error.code) == (403, "RequestTimeTooSkewed")
    assert timedelta(minutes=15) < error.timestamp - oss.clock.now() < timedelta(minutes=17)
    assert bucket.objects == {}


async def test_security_token(
    oss: OssStandIn, bucket: Bucket, http: aiohttp.ClientSession
) -> None:
    """A temporary key needs its token and ends with it, and so does every link made with it."""
    async with RemoteOss(oss.endpoint) as remote:
        ends = oss.clock.now() + timedelta(minutes=5)
        await remote.add_key("STS.a", "s", token="tok", expires_at=ends)
        with sdk_client(oss, key_id="STS.a", secret="s", token="tok") as client:
            await run(client.put_object, PUT)
            other = await refused(oss, key_id="STS.a", secret="s", token="other")
            link = client.presign(sdk.GetObjectRequest(BUCKET, "k"), expires=timedelta(hours=1))
            async with http.get(link.url) as before:
                pass
            # The service's own clock decides.
            await remote.set_clock_skew(timedelta(minutes=5))
            error = await refusal(client.put_object, PUT)
    async with http.get(link.url) as after:
        document = await after.text()

    assert (error.status_code, error.code, error.ec) == (*EXPIRED, "0002-00000007")
    assert (before.status, after.status) == (200, 403)
    assert "<Code>SecurityTokenExpired</Code>" in document
    assert (other.code, [*bucket.objects]) == ("InvalidSecurityToken", ["k"])


@pytest.mark.parametrize(
    ("allow", "denied"),
    [
        (["oss:PutObject"], None),
        (["PutObject"], None),
        (["oss:*"], None),
        (["oss:Get*"], "oss:PutObject"),
        ([], "oss:PutObject"),
    ],
)
async def test_allowed_actions(
    oss: OssStandIn, bucket: Bucket, allow: list[str], denied: str | None
) -> None:
    """A key of a RAM user may do what its policy allows."""
    oss.add_key("LTAI-ram", "s", allow=allow)
    if denied is None:
        with sdk_client(oss, key_id="LTAI-ram", secret="s") as client:
            await run(client.put_object, PUT)
        assert [*bucket.objects] == ["k"]
        return
    error = await refused(oss, key_id="LTAI-ram", secret="s")

    assert (error.status_code, error.code) == (403, "AccessDenied")
    assert denied == error.error_fileds["AuthAction"]


async def test_acl_needs_its_own_action(oss: OssStandIn, bucket: Bucket) -> None:
    """Setting an object ACL while putting needs oss:PutObjectAcl as well."""
    oss.add_key("LTAI-ram", "s", allow=["oss:PutObject"])
    with sdk_client(oss, key_id="LTAI-ram", secret="s") as client:
        error = await refusal(
            client.put_object, sdk.PutObjectRequest(BUCKET, "k", body=b"", acl="public-read")
        )

    assert error.error_fileds["AuthAction"] == "oss:PutObjectAcl"
    assert bucket.objects == {}


async def test_secret_stays_out_of_repr(oss: OssStandIn) -> None:
    """Neither secret nor token show where a key is printed."""
    key = oss.add_key("LTAI-x", "hush", token="shush")

    assert "hush" not in repr(key)


def test_timestamp(oss: OssStandIn) -> None:
    """Documents carry UTC in whole seconds, written with milliseconds."""
    moment = oss.clock.now().replace(2026, 1, 2, 3, 4, 5, 67_890)

    assert timestamp(moment) == "2026-01-02T03:04:05.000Z"
