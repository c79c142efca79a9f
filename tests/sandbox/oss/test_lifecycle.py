"""Lifecycle rules: when they are due, and what the service does with them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import alibabacloud_oss_v2 as sdk
import pytest

from bot.sandbox.clock import SandboxClock
from bot.sandbox.oss import OssStandIn
from bot.sandbox.oss.errors import OssError
from bot.sandbox.oss.lifecycle import AgeOrDate, parse_lifecycle
from bot.sandbox.oss.model import Bucket
from tests.sandbox.oss.sdk import BUCKET, refusal, run, sdk_client

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def configuration(rule: str) -> bytes:
    """Write a configuration of one rule."""
    text = f"<LifecycleConfiguration><Rule>{rule}</Rule></LifecycleConfiguration>"
    return text.encode()


ONE_DAY = configuration(
    "<ID>x</ID><Prefix>p/</Prefix><Status>Enabled</Status><Expiration><Days>1</Days></Expiration>"
)


@pytest.mark.parametrize(
    ("born", "run_at"),
    [
        # The documented example, with 08:00 in UTC+8 as midnight in UTC.
        ("2026-07-19T23:59:00", "2026-07-21T00:00:00"),
        ("2026-07-20T00:00:00", "2026-07-21T00:00:00"),
        ("2026-07-20T00:01:00", "2026-07-22T00:00:00"),
    ],
)
def test_run_at(born: str, run_at: str) -> None:
    """An object of one day is taken by the first run at which it is 24 hours old."""
    lifecycle = parse_lifecycle(ONE_DAY, LONG_AGO)
    moment = datetime.fromisoformat(born).replace(tzinfo=UTC)

    assert lifecycle.run_at(AgeOrDate(days=1), moment) == datetime.fromisoformat(run_at).replace(
        tzinfo=UTC
    )


def test_new_rule_is_loaded_later() -> None:
    """A rule takes part 24 hours after it was put, however old an object is."""
    put_at = datetime(2026, 7, 20, 12, tzinfo=UTC)
    lifecycle = parse_lifecycle(ONE_DAY, put_at)

    assert lifecycle.run_at(AgeOrDate(days=1), LONG_AGO) == datetime(2026, 7, 22, tzinfo=UTC)


def test_dates() -> None:
    """`CreatedBeforeDate` takes what is older than a date, `Date` everything from then on."""
    lifecycle = parse_lifecycle(ONE_DAY, LONG_AGO)
    date = datetime(2026, 5, 5, tzinfo=UTC)

    assert lifecycle.run_at(AgeOrDate(created_before=date), LONG_AGO) == date
    assert lifecycle.run_at(AgeOrDate(created_before=date), date) is None
    assert lifecycle.run_at(AgeOrDate(date=date), LONG_AGO) == date


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "MalformedXML"),
        (b"<LifecycleConfiguration></LifecycleConfiguration>", "MalformedXML"),
        (configuration("<Status>On</Status>"), "MalformedXML"),
        (configuration("<Status>Enabled</Status><Expiration/>"), "MalformedXML"),
        (
            configuration("<Status>Enabled</Status><Expiration><Days>0</Days></Expiration>"),
            "InvalidArgument",
        ),
        (
            configuration(
                "<ID>a</ID><Status>Enabled</Status></Rule><Rule><ID>a</ID><Status>Enabled</Status>"
            ),
            "InvalidArgument",
        ),
    ],
)
def test_refused(body: bytes, code: str) -> None:
    """What is no valid configuration is refused whole."""
    with pytest.raises(OssError) as caught:
        parse_lifecycle(body, LONG_AGO)

    assert caught.value.code == code


def test_covers() -> None:
    """A rule speaks of its prefix and of objects with all of its tags."""
    [rule] = parse_lifecycle(
        configuration(
            "<Tag><Key>ttl</Key><Value>1</Value></Tag><Prefix>p/</Prefix>"
            "<Status>Enabled</Status><Expiration><Days>1</Days></Expiration>"
        ),
        LONG_AGO,
    ).rules

    assert rule.covers("p/k", "a=b&ttl=1")
    assert not rule.covers("p/k", "ttl=2")
    assert not rule.covers("q/k", "ttl=1")


def request(**limits: Any) -> Any:
    """Make the SDK's request for one rule."""
    rule = sdk.LifecycleRule(id="r", prefix="p/", status="Enabled", **limits)
    return sdk.PutBucketLifecycleRequest(
        BUCKET, lifecycle_configuration=sdk.LifecycleConfiguration(rules=[rule])
    )


async def test_stored_whole(client: Any, bucket: Bucket) -> None:
    """Rules come back as they were put; a second put replaces all; deleting ends them."""
    await run(client.put_bucket_lifecycle, request(expiration=sdk.LifecycleRuleExpiration(days=3)))
    got = await run(client.get_bucket_lifecycle, sdk.GetBucketLifecycleRequest(BUCKET))
    [rule] = got.lifecycle_configuration.rules
    await run(client.delete_bucket_lifecycle, sdk.DeleteBucketLifecycleRequest(BUCKET))
    error = await refusal(client.get_bucket_lifecycle, sdk.GetBucketLifecycleRequest(BUCKET))

    assert (rule.id, rule.prefix, rule.expiration.days) == ("r", "p/", 3)
    assert (error.code, bucket.lifecycle) == ("NoSuchLifecycle", None)


async def test_carried_out(tmp_path: Path) -> None:
    """Objects and uploads under the prefix go, at the latest moment that the service promises, and
    no earlier; all others stay.
    """
    start = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    clock = SandboxClock(start, running=False)
    async with OssStandIn(tmp_path, clock=clock) as oss:
        oss.clock_skew = datetime.now(UTC) - start
        bucket = oss.add_bucket(BUCKET)
        with sdk_client(oss) as client:
            limits = {
                "expiration": sdk.LifecycleRuleExpiration(days=1),
                "abort_multipart_upload": sdk.LifecycleRuleAbortMultipartUpload(days=1),
            }
            await run(client.put_bucket_lifecycle, request(**limits))
            for key in ("p/k", "q/k"):
                await run(client.put_object, sdk.PutObjectRequest(BUCKET, key, body=b"x"))
                initiate = sdk.InitiateMultipartUploadRequest(BUCKET, key)
                await run(client.initiate_multipart_upload, initiate)
        oss.clock_skew = timedelta(0)
        for stored in bucket.objects.values():
            stored.last_modified = start
        for pending in bucket.uploads.values():
            pending.initiated_at = start
        assert bucket.lifecycle is not None
        midnight = start.replace(hour=0) + timedelta(days=3)
        clock.advance(midnight - start - timedelta(hours=2))
        await oss.wait_for(lambda: len(bucket.objects) == 2)
        clock.advance(timedelta(hours=3))
        await oss.wait_for(lambda: len(bucket.objects) == 1)

    assert [*bucket.objects] == ["q/k"]
    assert [pending.key for pending in bucket.uploads.values()] == ["q/k"]


def rule(prefix: str, *actions: str) -> str:
    """Write a rule."""
    return f"<Rule><Prefix>{prefix}</Prefix><Status>Enabled</Status>{''.join(actions)}</Rule>"


def after(action: str, days: int, storage_class: str = "") -> str:
    """Write an action that is due after some days."""
    more = f"<StorageClass>{storage_class}</StorageClass>" if storage_class else ""
    return f"<{action}><Days>{days}</Days>{more}</{action}>"


DELETE, ABORT = "Expiration", "AbortMultipartUpload"


@pytest.mark.parametrize(
    ("rules", "ec", "lifted"),
    [
        ([rule("a", after(DELETE, 9)), rule("a", after(ABORT, 9))], "0014-00000085", False),
        ([rule("", after(DELETE, 9)), rule("", after(ABORT, 9))], "0014-00000085", False),
        ([rule("a", after(DELETE, 9)), rule("a/b", after(DELETE, 9))], "0014-00000084", True),
        ([rule("a/b", after(ABORT, 9)), rule("", after(ABORT, 1))], "0014-00000084", True),
        (
            [
                rule("a", after("Transition", 30, "IA")),
                rule("a/b", after("Transition", 60, "IA")),
            ],
            "0014-00000079",
            True,
        ),
        (
            [rule("a", after("Transition", 30, "IA")), rule("a/b", after(DELETE, 1))],
            "0014-00000082",
            False,
        ),
    ],
)
async def test_conflicts(
    oss: OssStandIn, bucket: Bucket, rules: list[str], ec: str, *, lifted: bool
) -> None:
    """Rules that conflict are refused; one header allows the same action."""
    body = f"<LifecycleConfiguration>{''.join(rules)}</LifecycleConfiguration>".encode()
    errors = [await put_raw(oss, body, overlap) for overlap in ("", "false", "true")]

    assert errors == [ec, ec, "" if lifted else ec]
    assert (bucket.lifecycle is None) is not lifted


@pytest.mark.parametrize(
    "rules",
    [
        [rule("a", after(DELETE, 9)), rule("b", after(DELETE, 9))],
        [rule("a", after(DELETE, 9)), rule("a/b", after(ABORT, 9))],
        [rule("a", after("Transition", 30, "IA")), rule("a/b", after(DELETE, 31))],
        [
            rule("a", after("Transition", 30, "IA")),
            rule("a/b", after("Transition", 60, "Archive")),
        ],
        [rule("a", after(DELETE, 9), after(ABORT, 9))],
    ],
)
async def test_rules_beside_each_other(oss: OssStandIn, bucket: Bucket, rules: list[str]) -> None:
    """Rules that do not conflict are accepted."""
    body = f"<LifecycleConfiguration>{''.join(rules)}</LifecycleConfiguration>".encode()

    assert await put_raw(oss, body) == ""
    assert bucket.lifecycle is not None


async def put_raw(oss: OssStandIn, body: bytes, overlap: str = "") -> str:
    """Put a configuration as it is and return the EC of its refusal, empty without one."""
    headers = {"x-oss-allow-same-action-overlap": overlap} if overlap else {}
    operation = sdk.OperationInput(
        op_name="PutBucketLifecycle",
        method="PUT",
        bucket=BUCKET,
        parameters={"lifecycle": ""},
        headers=headers,
        body=body,
    )
    with sdk_client(oss) as client:
        try:
            await run(client.invoke_operation, operation)
        except sdk.exceptions.OperationError as error:
            refused: Any = error.unwrap()
            return str(refused.ec)
    return ""
