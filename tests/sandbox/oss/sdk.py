"""The official SDK as a client of the stand-in: made, run in threads, closed."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

import alibabacloud_oss_v2 as sdk
import requests
from alibabacloud_oss_v2.client import Client
from alibabacloud_oss_v2.transport.requests_client import RequestsHttpClient

from bot.sandbox.oss import OssStandIn

P = ParamSpec("P")
T = TypeVar("T")

BUCKET = "relay-sandbox"


@contextmanager
def sdk_client(oss: OssStandIn, **changes: Any) -> Iterator[Any]:
    """Yield an SDK client for the stand-in's own key; `changes` are fields of its configuration.

    `key_id`, `secret` and `token` replace the credentials. Nothing is retried, so that one call is
    one request.
    """
    credentials = sdk.credentials.StaticCredentialsProvider(
        changes.pop("key_id", oss.access_key_id),
        changes.pop("secret", oss.access_key_secret),
        changes.pop("token", None),
    )
    session = requests.Session()
    session.trust_env = False
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=16))
    config = sdk.config.load_default()
    config.credentials_provider = credentials
    config.region, config.endpoint = oss.region, oss.endpoint
    config.http_client = RequestsHttpClient(session=session)
    config.retry_max_attempts = 1
    for name, value in changes.items():
        setattr(config, name, value)
    with session:
        yield Client(config)


async def run(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking client code in a thread, so that the server's loop stays free."""
    return await asyncio.to_thread(work, *args, **kwargs)


async def fetch(client: Any, key: str, **wishes: Any) -> tuple[Any, bytes]:
    """Get an object with its content; the SDK reads it lazily, so that must be in the thread."""

    def get() -> tuple[Any, bytes]:
        result = client.get_object(sdk.GetObjectRequest(BUCKET, key, **wishes))
        return result, result.body.content

    return await run(get)


async def refusal(work: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> Any:
    """Run a call of the SDK that must be refused and return the service's error."""
    try:
        await run(work, *args, **kwargs)
    except sdk.exceptions.OperationError as error:
        return error.unwrap()
    raise AssertionError("the call was not refused")
