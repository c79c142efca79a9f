"""Links, opened by strangers."""

import asyncio
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters.oss.bucket import OssBucket, OssLinkSigner, OssStores
from bot.adapters.oss.client import AccessKey, BucketAddress, OssConnection
from bot.core.files import LinkMode
from bot.core.jobs import Placement
from bot.core.ports.store import ObjectMeta
from bot.sandbox.clock import SandboxClock
from bot.sandbox.oss import OssStandIn
from tests.adapters.oss.links import BUCKET, connect, open_link
from tests.fakes.body import BytesBody

KEY = "relay/1/token/ä b+c(1)~.bin"
DISPOSITION = "attachment; filename=\"a.bin\"; filename*=UTF-8''%C3%A4.bin"
DAY = timedelta(days=1)


async def stored(bucket: OssBucket, *, public: bool = False) -> None:
    """Put the object that links lead to."""
    meta = ObjectMeta("video/mp4", DISPOSITION, public=public)
    await asyncio.to_thread(bucket.put_object, KEY, BytesBody(b"content"), meta)


async def test_signed_link_opens_and_ends(
    connection: OssConnection, bucket: OssBucket, clock: SandboxClock
) -> None:
    """Anyone can open it, with the stored name and type, until its end and not after."""
    await stored(bucket)
    url = OssLinkSigner(connection, LinkMode.SIGNED).link(
        KEY, expires_at=clock.now() + DAY, now=clock.now()
    )
    status, headers, body = await open_link(url)
    clock.advance(DAY - timedelta(seconds=60))
    late, _, _ = await open_link(url)
    clock.advance(timedelta(seconds=60))
    ended, _, _ = await open_link(url)

    assert (status, body) == (200, b"content")
    assert (
        headers["content-type"],
        headers["content-disposition"],
        headers["cache-control"],
    ) == ("video/mp4", DISPOSITION, "no-store")
    assert (late, ended) == (200, 403)


async def test_public_link_is_plain(
    connection: OssConnection, bucket: OssBucket, clock: SandboxClock
) -> None:
    """A public object in a private bucket is readable without a signature as long as it exists."""
    await stored(bucket, public=True)
    url = OssLinkSigner(connection, LinkMode.PUBLIC).link(
        KEY, expires_at=clock.now(), now=clock.now()
    )
    status, _, body = await open_link(url)
    await asyncio.to_thread(bucket.delete, [KEY])
    gone, _, _ = await open_link(url)

    assert "?" not in url
    assert (status, body) == (200, b"content")
    assert gone in {403, 404}


async def test_signed_object_is_closed_in_a_public_bucket(
    connection: OssConnection, bucket: OssBucket, oss: OssStandIn
) -> None:
    """The ACL of the object beats that of the bucket: without a signature nothing opens."""
    oss.buckets[BUCKET].acl = "public-read"
    await stored(bucket)
    status, _, _ = await open_link(connection.address.object_url(KEY))

    assert status == 403


async def test_tampering_closes_a_link(
    connection: OssConnection, bucket: OssBucket, clock: SandboxClock
) -> None:
    """Changing the URL gives neither a longer life nor another object."""
    await stored(bucket)
    url = OssLinkSigner(connection, LinkMode.SIGNED).link(
        KEY, expires_at=clock.now() + timedelta(seconds=100.5), now=clock.now()
    )
    longer, _, _ = await open_link(url.replace("x-oss-expires=100", "x-oss-expires=99999"))
    other, _, _ = await open_link(url.replace("token", "tokem"))

    assert "x-oss-expires=100&" in url
    assert (longer, other) == (403, 403)


@pytest.mark.parametrize("skew", [timedelta(minutes=-14), timedelta(0), timedelta(minutes=14)])
async def test_clock_that_is_wrong_makes_no_link_longer(
    oss: OssStandIn,
    connection: OssConnection,
    bucket: OssBucket,
    clock: SandboxClock,
    skew: timedelta,
) -> None:
    """A clock off by less than OSS complains about would move the end; answers correct it."""
    oss.clock_skew = skew
    await stored(bucket)
    url = OssLinkSigner(connection, LinkMode.SIGNED).link(
        KEY,
        expires_at=connection.link_clock.now() + timedelta(hours=1),
        now=connection.link_clock.now(),
    )
    clock.advance(timedelta(minutes=59, seconds=55))
    before, _, _ = await open_link(url)
    clock.advance(timedelta(seconds=6))
    after, _, _ = await open_link(url)

    assert (before, after) == (200, 403)


async def test_own_domain(oss: OssStandIn, clock: SandboxClock) -> None:
    """A domain bound to the bucket serves both kinds of link, without the bucket in the path."""
    oss.add_domain("dl.example.com", BUCKET)
    connection = connect(oss, link_domain="http://dl.example.com")
    await stored(OssBucket(connection), public=True)
    links = [
        OssLinkSigner(connection, mode).link(KEY, expires_at=clock.now() + DAY, now=clock.now())
        for mode in (LinkMode.SIGNED, LinkMode.PUBLIC)
    ]
    answers = [await open_link(url, via=oss.endpoint) for url in links]
    connection.close()

    assert all(url.startswith("http://dl.example.com/relay/") for url in links)
    assert [(status, body) for status, _, body in answers] == [(200, b"content")] * 2


async def test_link_of_a_temporary_key(oss: OssStandIn, clock: SandboxClock) -> None:
    """A token travels with the link, and dies with the token, which is not hidden."""
    expires_at = clock.now() + timedelta(minutes=10)
    oss.add_key("STS.id", "secret", token="the+token/=", expires_at=expires_at)
    key = AccessKey(
        access_key_id="STS.id", access_key_secret="secret", security_token="the+token/="
    )
    connection = connect(oss, key=key)
    await stored(OssBucket(connection))
    signer = OssLinkSigner(connection, LinkMode.SIGNED)
    url = signer.link(KEY, expires_at=clock.now() + DAY, now=clock.now())
    alive, _, _ = await open_link(url)
    clock.advance(timedelta(minutes=11))
    dead, _, _ = await open_link(url)
    connection.close()

    assert signer.credentials_are_temporary
    assert (alive, dead) == (200, 403)


def make_signer(clock: SandboxClock) -> OssLinkSigner:
    """Make a signer that needs no server."""
    address = BucketAddress(bucket="files", region="cn-hongkong")
    key = AccessKey(access_key_id="LTAI-id", access_key_secret="the-secret")
    return OssLinkSigner(OssConnection(address, clock, key=key), LinkMode.SIGNED)


@given(st.floats(min_value=1.0, max_value=86_400.0))
def test_never_outlives_its_deadline(seconds: float) -> None:
    """Start plus duration, both in whole seconds, never lie behind the deadline."""
    clock = SandboxClock(running=False)
    expires_at = clock.now() + timedelta(seconds=seconds)
    query = parse_qs(
        urlsplit(make_signer(clock).link(KEY, expires_at=expires_at, now=clock.now())).query
    )
    lifetime = timedelta(seconds=int(query["x-oss-expires"][0]))
    ends_at = clock.now().replace(microsecond=0) + lifetime

    assert ends_at <= expires_at
    assert expires_at - ends_at < timedelta(seconds=2.1)


@pytest.mark.parametrize("left", [timedelta(0), timedelta(seconds=0.9), timedelta(seconds=-5)])
def test_no_link_without_life(left: timedelta) -> None:
    """A link that would have expired at once is a defect of the caller."""
    clock = SandboxClock(running=False)

    with pytest.raises(ValueError, match="at least a second"):
        make_signer(clock).link(KEY, expires_at=clock.now() + left, now=clock.now())


def test_secret_does_not_show() -> None:
    """The link shows the id of the key and nothing else of it."""
    clock = SandboxClock()
    signer = make_signer(clock)
    url = signer.link(KEY, expires_at=clock.now() + DAY, now=clock.now())

    assert "LTAI-id" in url
    assert "the-secret" not in url
    assert not signer.credentials_are_temporary


async def test_row_decides_on_mode_and_bucket(
    oss: OssStandIn, connection: OssConnection, clock: SandboxClock
) -> None:
    """What was stored under other settings gets the link that opens it, and no other."""
    oss.add_bucket("earlier")
    stores = OssStores(connection, OssBucket(connection))
    ends = {"expires_at": clock.now() + DAY, "now": clock.now()}
    for mode in LinkMode:
        placement = Placement("earlier", oss.region, mode)
        meta = ObjectMeta("video/mp4", DISPOSITION, public=mode is LinkMode.PUBLIC)
        await asyncio.to_thread(stores.of(placement).put_object, KEY, BytesBody(b"x"), meta)
        for settings in LinkMode:
            url = OssLinkSigner(connection, settings).link(KEY, **ends, placement=placement)
            status, _, _ = await open_link(url)
            assert (status, "?" in url) == (200, mode.is_private)
            assert "/earlier/" in url
    await asyncio.to_thread(stores.of(placement).delete, [KEY])
    stores.close()

    assert not oss.buckets["earlier"].objects
    assert stores.of(Placement()) is stores.of(Placement(BUCKET, oss.region, LinkMode.PUBLIC))


def test_address_of_an_earlier_bucket() -> None:
    """A domain is bound to one bucket, an endpoint to one region."""
    here = BucketAddress(
        bucket="here",
        region="cn-hongkong",
        endpoint="https://oss-cn-hongkong.aliyuncs.com",
        upload_endpoint="https://oss-cn-hongkong-internal.aliyuncs.com",
        link_domain="https://files.example.com",
    )
    there, abroad = here.of("there", "cn-hongkong"), here.of("there", "cn-beijing")

    assert here.of("", "") is here
    assert there.object_url("k") == "https://there.oss-cn-hongkong.aliyuncs.com/k"
    assert there.upload_base == here.upload_base
    assert abroad.object_url("k") == "https://there.oss-cn-beijing.aliyuncs.com/k"
    assert abroad.upload_base == "https://oss-cn-beijing.aliyuncs.com"
