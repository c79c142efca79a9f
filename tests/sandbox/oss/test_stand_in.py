"""The server as a whole: addresses, lifetime, and the SDK's asynchronous client."""

import asyncio
import errno
import io
from pathlib import Path
from typing import Any

import aiohttp
import alibabacloud_oss_v2 as sdk
import pytest
from alibabacloud_oss_v2.aio.client import AsyncClient
from alibabacloud_oss_v2.client import Client
from alibabacloud_oss_v2.types import AsyncStreamBody
from fastcrc import crc64
from yarl import URL

from bot.sandbox.faults import Effect, Fault
from bot.sandbox.oss import OssStandIn
from bot.sandbox.oss.model import Bucket
from tests.sandbox.oss.sdk import BUCKET, run


async def get(
    oss: OssStandIn, http: aiohttp.ClientSession, path: str, host: str
) -> tuple[int, str]:
    """Get a path with another Host header; return status and body."""
    async with http.get(oss.endpoint + path, headers={"Host": host}) as answer:
        return answer.status, await answer.text()


@pytest.mark.parametrize(
    ("path", "host"),
    [
        (f"/{BUCKET}/dir/k", "127.0.0.1:80"),
        (f"/{BUCKET}/dir%2Fk", "localhost"),
        ("/dir/k", f"{BUCKET}.oss-cn-hongkong.aliyuncs.com"),
        ("/dir/k", f"{BUCKET}.oss-cn-hongkong-internal.aliyuncs.com:80"),
        ("/dir/k", f"{BUCKET}.localhost:1234"),
        ("/dir/k", "files.example.com"),
        (f"http://elsewhere/{BUCKET}/dir/k", "127.0.0.1"),
    ],
)
async def test_addresses(
    client: Any,
    oss: OssStandIn,
    bucket: Bucket,
    http: aiohttp.ClientSession,
    path: str,
    host: str,
) -> None:
    """The bucket is found in the path, in the host's name, and by an own domain."""
    bucket.acl = "public-read"
    oss.add_domain("files.example.com", BUCKET)
    await run(client.put_object, sdk.PutObjectRequest(BUCKET, "dir/k", body=b"x"))
    path = path.removeprefix("http://elsewhere")

    assert await get(oss, http, path, host) == (200, "x")


async def test_virtual_host_is_signed_alike(
    client: Any, oss: OssStandIn, bucket: Bucket, http: aiohttp.ClientSession
) -> None:
    """A link made in path style also works in virtual-host style, because Host is not signed."""
    await run(client.put_object, sdk.PutObjectRequest(BUCKET, "k", body=b"x"))
    target = client.presign(sdk.GetObjectRequest(BUCKET, "k")).url.split(BUCKET, 1)[1]
    host = f"{BUCKET}.oss-cn-hongkong.aliyuncs.com"

    assert await get(oss, http, target, host) == (200, "x")
    assert len(bucket.objects) == 1


async def test_cname_link(
    client: Any, oss: OssStandIn, bucket: Bucket, http: aiohttp.ClientSession
) -> None:
    """A link that the SDK made for an own domain works there."""
    await run(client.put_object, sdk.PutObjectRequest(BUCKET, "a b", body=b"x"))
    oss.add_domain("files.example.com", BUCKET)
    config = sdk.config.load_default()
    config.region, config.endpoint, config.use_cname = oss.region, "http://files.example.com", True
    config.credentials_provider = sdk.credentials.StaticCredentialsProvider(
        oss.access_key_id, oss.access_key_secret
    )
    link = Client(config).presign(sdk.GetObjectRequest(BUCKET, "a b"))
    target = str(link.url).removeprefix("http://files.example.com")

    assert await get(oss, http, target, "files.example.com") == (200, "x")
    assert len(bucket.objects) == 1


async def test_second_level_domain(oss: OssStandIn, http: aiohttp.ClientSession) -> None:
    """A default endpoint refuses path style."""
    status, text = await get(oss, http, f"/{BUCKET}/k", "oss-cn-hongkong.aliyuncs.com")

    assert (status, "SecondLevelDomainForbidden" in text) == (403, True)


async def test_endpoint_of_another_region(
    oss: OssStandIn, bucket: Bucket, http: aiohttp.ClientSession
) -> None:
    """A bucket asked for at another region's endpoint names its own."""
    status, text = await get(oss, http, "/k", f"{bucket.name}.oss-cn-beijing.aliyuncs.com")

    assert (status, "<Endpoint>oss-cn-hongkong.aliyuncs.com</Endpoint>" in text) == (403, True)


async def test_bad_bucket_name(oss: OssStandIn, http: aiohttp.ClientSession) -> None:
    """A name that no bucket can have is refused as such."""
    status, text = await get(oss, http, "/No_Bucket/k", "127.0.0.1")

    assert (status, "InvalidBucketName" in text) == (400, True)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("PATCH", "k", (405, "MethodNotAllowed")),
        ("POST", "k", (405, "MethodNotAllowed")),
        ("GET", "?worm", (501, "NotImplemented")),
        ("PUT", "k?symlink", (501, "NotImplemented")),
        ("GET", "%ff", (400, "InvalidObjectName")),
    ],
)
async def test_unknown_operation(
    oss: OssStandIn,
    bucket: Bucket,
    http: aiohttp.ClientSession,
    method: str,
    path: str,
    expected: tuple[int, str],
) -> None:
    """What OSS or the stand-in does not have is refused, never mistaken for something else."""
    url = f"{oss.endpoint}/{bucket.name}/{path}"
    async with http.request(method, URL(url, encoded=True)) as answer:
        text = await answer.text()

    assert (answer.status, text.split("<Code>")[1].split("<")[0]) == expected


async def test_port_can_be_chosen(oss: OssStandIn, tmp_path: Path) -> None:
    """A port that is taken is an error at once; a free one can be named."""
    port = int(oss.endpoint.rsplit(":", 1)[1])
    with pytest.raises(OSError, match="in use") as caught:
        async with OssStandIn(tmp_path / "second", port=port):
            pass

    assert caught.value.errno == errno.EADDRINUSE


async def test_outage(
    oss: OssStandIn, bucket: Bucket, http: aiohttp.ClientSession, client: Any
) -> None:
    """While it is stopped, connections are refused; afterwards address and objects are
    the same.
    """
    bucket.acl = "public-read"
    await run(client.put_object, sdk.PutObjectRequest(BUCKET, "k", body=b"x"))
    await oss.stop()
    await oss.stop()
    with pytest.raises(aiohttp.ClientConnectorError):
        await get(oss, http, f"/{BUCKET}/k", "127.0.0.1")
    await oss.start()

    assert await get(oss, http, f"/{BUCKET}/k", "127.0.0.1") == (200, "x")


async def test_many_requests_on_one_connection(client: Any, bucket: Bucket) -> None:
    """Connections are kept alive over answers of every kind."""
    for number in range(20):
        await run(client.put_object, sdk.PutObjectRequest(BUCKET, str(number), body=b"x"))
        await run(client.delete_object, sdk.DeleteObjectRequest(BUCKET, str(number)))

    assert bucket.objects == {}


async def test_async_client(oss: OssStandIn, bucket: Bucket) -> None:
    """The SDK's asynchronous client, which quotes in its own way and sends chunked bodies."""
    config = sdk.config.load_default()
    config.region, config.endpoint = oss.region, oss.endpoint
    config.credentials_provider = sdk.credentials.StaticCredentialsProvider(
        oss.access_key_id, oss.access_key_secret
    )
    key, content = "x y/ü+~(1)&%2F=.txt", b"c" * 100_000
    async with AsyncClient(config) as client:
        put = await client.put_object(sdk.PutObjectRequest(BUCKET, key, body=content))
        listed = await client.list_objects_v2(sdk.ListObjectsV2Request(BUCKET, prefix="x y/"))
        got = await client.get_object(sdk.GetObjectRequest(BUCKET, key))
        assert isinstance(got.body, AsyncStreamBody)
        async with got.body as body:
            received = await body.read()

    assert (received, [entry.key for entry in listed.contents or []]) == (content, [key])
    assert (put.hash_crc64, [*bucket.objects]) == (str(crc64.xz(content)), [key])


@pytest.mark.parametrize("slow", ["upload", "download", "late"])
async def test_ends_promptly(tmp_path: Path, http: aiohttp.ClientSession, slow: str) -> None:
    """Leaving the block ends transfers that would take minutes, within two seconds."""
    async with OssStandIn(tmp_path) as oss:
        bucket = oss.add_bucket(BUCKET, "public-read-write")
        url = f"{oss.endpoint}/{BUCKET}/k"
        async with http.put(url, data=io.BytesIO(bytes(1_000_000))) as answer:
            assert answer.status == 200
        oss.shape.up_total = oss.shape.down_total = 10_000 if slow != "late" else None
        oss.faults.add(Fault("PutObject", Effect.LATE, args={"seconds": 120}))
        method, data = ("GET", None) if slow == "download" else ("PUT", io.BytesIO(bytes(500_000)))

        async def transfer() -> None:
            async with http.request(method, url, data=data) as answer:
                await answer.read()

        task = asyncio.create_task(transfer())
        await oss.wait_for(lambda: len(oss.log) == 2)
        started = asyncio.get_running_loop().time()
    elapsed = asyncio.get_running_loop().time() - started
    result = (await asyncio.gather(task, return_exceptions=True))[0]

    assert (elapsed < 2, [*bucket.objects]) == (True, ["k"])
    assert result is None or isinstance(result, aiohttp.ClientError)
