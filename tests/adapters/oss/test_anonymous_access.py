"""What strangers can do, and buckets that do not serve or give up what is stored."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from bot.adapters.oss.access_checks import (
    BucketExposed,
    BucketProbe,
    BucketUnusable,
    anonymous_listing_possible,
    anonymous_writing_possible,
    assert_private,
    open_anonymously,
)
from bot.adapters.oss.bucket import OssBucket, OssLinkSigner
from bot.adapters.oss.client import OssConnection
from bot.core.errors import StoreIntercepted, StoreUnavailable
from bot.core.files import LinkMode
from bot.core.ports.store import ObjectMeta, PartBody
from bot.sandbox.faults import Effect, Fault
from bot.sandbox.oss import OssStandIn
from bot.sandbox.oss.policy import parse_policy
from tests.adapters.oss.links import BUCKET, connect
from tests.fakes.body import BytesBody

KEY = "relay/1/token/probe"
SIGNED = LinkMode.SIGNED


@pytest.mark.parametrize(
    ("acl", "public", "expected"),
    [
        ("private", None, 403),
        ("private", False, 403),
        ("private", True, 200),
        ("public-read", None, 404),
        ("public-read", False, 403),
        ("public-read", True, 200),
    ],
)
async def test_status(
    oss: OssStandIn,
    connection: OssConnection,
    bucket: OssBucket,
    acl: str,
    public: bool | None,  # noqa: FBT001 - see above.
    expected: int,
) -> None:
    """Bucket ACL and object ACL (or no object) decide; checking writes nothing."""
    oss.buckets[BUCKET].acl = acl
    if public is not None:
        meta = ObjectMeta("application/octet-stream", "attachment", public=public)
        await asyncio.to_thread(bucket.put_object, KEY, BytesBody(b"x"), meta)
    url = connection.address.object_url(KEY)
    answer = await asyncio.to_thread(open_anonymously, connection, url, b"x")

    assert (answer.status, answer.equal, answer.from_oss) == (expected, expected == 200, True)
    assert {"anonymous"} == {entry.params["auth"] for entry in oss.log.of("GetObject")}


@pytest.mark.parametrize("acl", ["private", "public-read"])
async def test_private_objects_are_private(
    oss: OssStandIn, connection: OssConnection, bucket: OssBucket, acl: str
) -> None:
    """The trial object is refused without a signature in both kinds of bucket, and is removed
    after.
    """
    oss.buckets[BUCKET].acl = acl
    await asyncio.to_thread(assert_private, connection, bucket, "relay/1/")

    assert [entry.status for entry in oss.log.of("GetObject")] == [403]
    assert oss.buckets[BUCKET].objects == {}


async def test_bucket_that_a_policy_opens(oss: OssStandIn, connection: OssConnection) -> None:
    """An object that can be read without a signature is reported; nothing is left."""

    class Opened(OssBucket):
        def put_object(self, key: str, body: PartBody, meta: ObjectMeta) -> int | None:
            # What a bucket policy does: the ACL says private, and every request can read.
            return super().put_object(key, body, replace(meta, public=True))

    with pytest.raises(BucketExposed, match=BUCKET):
        await asyncio.to_thread(assert_private, connection, Opened(connection), "relay/1/")
    assert oss.buckets[BUCKET].objects == {}


async def test_no_answer(oss: OssStandIn, connection: OssConnection, bucket: OssBucket) -> None:
    """Without an answer the result is unknown."""
    oss.faults.add(Fault("GetObject", Effect.RESET))

    with pytest.raises(StoreUnavailable):
        await asyncio.to_thread(assert_private, connection, bucket, "relay/1/")
    assert oss.buckets[BUCKET].objects == {}


CHECKS: dict[str, Callable[[OssConnection, OssBucket], object]] = {
    "reading": lambda connection, bucket: assert_private(connection, bucket, "relay/1/"),
    "listing": lambda connection, _: anonymous_listing_possible(connection),
    "link": lambda connection, bucket: probe(connection, bucket).check("relay/1/"),
}


def probe(connection: OssConnection, bucket: OssBucket, mode: LinkMode = SIGNED) -> BucketProbe:
    """Make the check of a start."""
    return BucketProbe(connection, bucket, OssLinkSigner(connection, mode), mode)


@pytest.mark.parametrize("check", CHECKS)
async def test_nobody_listens(oss: OssStandIn, check: str) -> None:
    """A link domain that cannot be connected is named; the key, which may be the link, is not."""
    connection = connect(oss, link_domain="http://127.0.0.1:9")
    with pytest.raises(StoreUnavailable) as caught:
        await asyncio.to_thread(CHECKS[check], connection, OssBucket(connection))
    connection.close()

    assert str(caught.value).startswith("link.domain 127.0.0.1:9: ")
    assert "probe-" not in str(caught.value)
    assert oss.buckets[BUCKET].objects == {}


@asynccontextmanager
async def page(status: int, body: bytes, *headers: str) -> AsyncIterator[str]:
    """Serve one page for every request, as a parked domain or a CDN does."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = (f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close")
        writer.write("\r\n".join((*head, *headers, "", "")).encode() + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


PAGES = [
    (200, b"<html>This domain is for sale</html>"),
    (200, b"<html>" + b"x" * 300_000),
    (200, b""),
    (200, b"x-oss-request-id of a CDN", "x-oss-request-id: 1"),
    (403, b"<html>No</html>"),
]


@pytest.mark.parametrize("given", PAGES, ids=lambda given: f"{given[0]}, {len(given[1])} bytes")
async def test_page_at_the_domain_exposes_nothing(
    oss: OssStandIn, given: tuple[int, bytes, *tuple[str, ...]]
) -> None:
    """Any page with 200 is no proof that strangers can read or list; OSS itself is asked too."""
    async with page(*given) as url:
        connection = connect(oss, link_domain=url)
        bucket = OssBucket(connection)
        await asyncio.to_thread(assert_private, connection, bucket, "relay/1/")
        listed = await asyncio.to_thread(anonymous_listing_possible, connection)
        with pytest.raises((StoreIntercepted, BucketUnusable), match=r"link\.domain|serve links"):
            await asyncio.to_thread(probe(connection, bucket).check, "relay/1/")
        connection.close()

    assert not listed
    assert oss.buckets[BUCKET].objects == {}


async def test_exposure_behind_a_page_at_the_domain(oss: OssStandIn) -> None:
    """What OSS itself shows is found behind a domain that leads elsewhere, or nowhere."""
    public_policy(oss)
    for domain in ("http://127.0.0.1:9", None):
        async with page(200, b"<html>") as url:
            connection = connect(oss, link_domain=domain or url)
            bucket = OssBucket(connection)
            with pytest.raises(BucketExposed):
                await asyncio.to_thread(assert_private, connection, bucket, "relay/1/")
            connection.close()


def public_policy(oss: OssStandIn) -> None:
    """Let a bucket policy open everything to the public."""
    statement = {"Effect": "Allow", "Action": ["oss:*"], "Resource": ["*"]}
    text = json.dumps({"Version": "1", "Statement": [statement]})
    oss.buckets[BUCKET].policy = parse_policy(text)


@pytest.mark.parametrize("is_open", [True, False])
async def test_writing(
    oss: OssStandIn, connection: OssConnection, bucket: OssBucket, *, is_open: bool
) -> None:
    """What a stranger can store is found by storing it, and nothing of it is left."""
    if is_open:
        public_policy(oss)
    possible = await asyncio.to_thread(anonymous_writing_possible, connection, bucket, "relay/1/")

    assert possible is is_open
    assert [entry.params["auth"] for entry in oss.log.of("PutObject")] == ["anonymous"]
    assert oss.buckets[BUCKET].objects == {}


@pytest.mark.parametrize("effect", [Effect.LOST, Effect.HTML])
async def test_writing_without_an_answer(
    oss: OssStandIn, connection: OssConnection, bucket: OssBucket, effect: Effect
) -> None:
    """What was stored without an answer, or behind a page, is removed too."""
    public_policy(oss)
    oss.faults.add(Fault("PutObject", effect, args={"applied": 1, "status": 200}))
    try:
        await asyncio.to_thread(anonymous_writing_possible, connection, bucket, "relay/1/")
    except StoreUnavailable:
        assert effect is Effect.LOST
    assert oss.buckets[BUCKET].objects == {}


def retain(oss: OssStandIn) -> None:
    """Put a retention policy in force."""
    oss.buckets[BUCKET].retains = True


def refuse_referer(oss: OssStandIn) -> None:
    """Let a whitelist refuse requests without a Referer."""
    oss.buckets[BUCKET].refuses_empty_referer = True


def block(oss: OssStandIn) -> None:
    """Block public access."""
    oss.buckets[BUCKET].blocks_public_access = True


UNFIT: dict[str, tuple[Callable[[OssStandIn], object], LinkMode, str]] = {
    "retention": (retain, SIGNED, "let the bot delete.*FileImmutable.*0026-"),
    "referer": (refuse_referer, SIGNED, "serve links.*bucket referer policy"),
    "block": (block, LinkMode.PUBLIC, "public objects.*Put public object acl"),
    "no deletion": (
        lambda oss: oss.add_key(oss.access_key_id, oss.access_key_secret, allow=["oss:[!D]*"]),
        SIGNED,
        "let the bot delete.*AccessDenied",
    ),
}


@pytest.mark.parametrize("name", UNFIT)
async def test_unfit_bucket(
    oss: OssStandIn, connection: OssConnection, bucket: OssBucket, name: str
) -> None:
    """A bucket that does not serve or give up what is stored is named with OSS's own words; a
    second check leaves no second object.
    """
    spoil, mode, words = UNFIT[name]
    spoil(oss)
    check = probe(connection, bucket, mode)
    for _ in range(2):
        with pytest.raises(BucketUnusable, match=words):
            await asyncio.to_thread(check.check, "relay/1/")

    assert len(oss.buckets[BUCKET].objects) == (1 if "delete" in words else 0)


@pytest.mark.parametrize("mode", LinkMode)
async def test_fit_bucket(
    oss: OssStandIn, connection: OssConnection, bucket: OssBucket, mode: LinkMode
) -> None:
    """A bucket that serves and gives up what is stored is accepted, and nothing is left."""
    await asyncio.to_thread(probe(connection, bucket, mode).check, "relay/1/")

    assert oss.buckets[BUCKET].objects == {}


@pytest.mark.parametrize("default", ["IA", "Archive", "DeepColdArchive"])
async def test_storage_class(oss: OssStandIn, connection: OssConnection, default: str) -> None:
    """Objects are Standard in a bucket with another default: copies and multipart uploads too."""
    oss.buckets[BUCKET].storage_class = default
    bucket = OssBucket(connection)
    meta = ObjectMeta("application/octet-stream", "attachment", public=False)

    def store() -> list[str]:
        bucket.put_object("relay/1/a", BytesBody(b"x"), meta)
        bucket.copy_object("relay/1/a", "relay/1/b", meta)
        upload_id = bucket.initiate("relay/1/c", meta)
        receipt = bucket.upload_part("relay/1/c", upload_id, 1, BytesBody(b"x"))
        bucket.complete("relay/1/c", upload_id, [receipt], meta)
        return [bucket.storage_class(f"relay/1/{name}") for name in "abc"]

    assert await asyncio.to_thread(store) == ["Standard"] * 3
    await asyncio.to_thread(probe(connection, bucket).check, "relay/1/")
