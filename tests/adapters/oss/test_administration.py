"""The configuration of a bucket through the real SDK."""

import asyncio

import pytest

from bot.adapters.oss.administration import BucketAdministration, BucketInfo
from bot.adapters.oss.client import OssConnection
from bot.core.errors import StoreForbidden, StoreKeyRefused, StoreRefused
from bot.sandbox.oss import OssStandIn
from tests.adapters.oss.links import BUCKET, connect

RULES = (
    b"<LifecycleConfiguration><Rule><ID>a</ID><Prefix>a/</Prefix><Status>Enabled</Status>"
    b"<Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>"
)


@pytest.fixture
def administration(connection: OssConnection) -> BucketAdministration:
    """The bucket as its owner sees it."""
    return BucketAdministration(connection)


async def test_info(oss: OssStandIn, administration: BucketAdministration) -> None:
    """A bucket tells its region, its owner and its access rights."""
    oss.buckets[BUCKET].versioning = "Enabled"
    info = await asyncio.to_thread(administration.info)

    assert info == BucketInfo("cn-hongkong", oss.world.owner, "private", "Enabled", "LRS")


async def test_create(oss: OssStandIn, administration: BucketAdministration) -> None:
    """Without a bucket there is no info; a new one is private, blocked, locally redundant."""
    del oss.buckets[BUCKET]
    before = await asyncio.to_thread(administration.info)
    await asyncio.to_thread(administration.create)
    blocked = await asyncio.to_thread(administration.blocks_public_access)
    bucket = oss.buckets[BUCKET]

    assert (before, blocked, bucket.acl, bucket.redundancy) == (None, True, "private", "LRS")


async def test_block(oss: OssStandIn, administration: BucketAdministration) -> None:
    """The block of the bucket is set and read apart from that of the account."""
    await asyncio.to_thread(administration.set_public_access_block, blocked=True)
    of_bucket = await asyncio.to_thread(administration.blocks_public_access)
    of_account = await asyncio.to_thread(administration.account_blocks_public_access)
    with pytest.raises(StoreForbidden):
        await asyncio.to_thread(administration.set_acl, "public-read")
    await asyncio.to_thread(administration.set_public_access_block, blocked=False)
    await asyncio.to_thread(administration.set_acl, "public-read")

    assert (of_bucket, of_account) == (True, False)
    assert oss.buckets[BUCKET].acl == "public-read"


async def test_policy(administration: BucketAdministration) -> None:
    """A policy comes back as it was put; `None` is none, and deletes."""
    text = '{"Version": "1", "Statement": []}'
    before = await asyncio.to_thread(administration.policy)
    await asyncio.to_thread(administration.put_policy, text)
    stored = await asyncio.to_thread(administration.policy)
    await asyncio.to_thread(administration.put_policy, None)
    after = await asyncio.to_thread(administration.policy)

    assert (before, stored, after) == (None, text, None)


async def test_lifecycle(administration: BucketAdministration) -> None:
    """Rules come back as they were put; `None` is none, and deletes."""
    before = await asyncio.to_thread(administration.lifecycle)
    await asyncio.to_thread(administration.put_lifecycle, RULES, overlaps=True)
    stored = await asyncio.to_thread(administration.lifecycle)
    await asyncio.to_thread(administration.put_lifecycle, None)
    after = await asyncio.to_thread(administration.lifecycle)
    assert stored is not None

    assert (before, RULES in stored, after) == (None, True, None)


async def test_refused(oss: OssStandIn, administration: BucketAdministration) -> None:
    """Refusals are those of the program, also where documents go around the SDK's models."""
    with pytest.raises(StoreRefused, match="InvalidPolicyDocument"):
        await asyncio.to_thread(administration.put_policy, "{}")
    oss.world.keys[oss.access_key_id].enabled = False
    for call in (administration.policy, administration.lifecycle, administration.info):
        with pytest.raises(StoreKeyRefused):
            await asyncio.to_thread(call)

    assert oss.buckets[BUCKET].policy is None


async def test_less_rights(oss: OssStandIn) -> None:
    """A key without the right gets a `StoreForbidden`."""
    oss.world.keys[oss.access_key_id].allow = frozenset({"oss:GetObject"})
    connection = connect(oss)
    with pytest.raises(StoreForbidden):
        await asyncio.to_thread(BucketAdministration(connection).info)
    connection.close()

    assert oss.log.of("GetBucketInfo")[0].status == 403
