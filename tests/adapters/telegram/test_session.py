"""Sessions: which proxy they use, and what an error may say."""

import aiohttp
import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from bot.adapters.telegram.request import open_session, without_address

SECRET = "AAE-invented_token_of_a_bot_0123456"

PROXY = URL(f"http://name:{SECRET}@proxy.example")
REFUSED = aiohttp.RequestInfo(PROXY, "CONNECT", CIMultiDictProxy(CIMultiDict()), PROXY)


async def test_nothing_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither proxies nor credentials of the environment are used, and no cookie is kept."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    async with open_session(proxy=None, connections=3) as session:
        assert not session.trust_env
        assert isinstance(session.cookie_jar, aiohttp.DummyCookieJar)
        assert session.connector is not None
        assert session.connector.limit == 3


@pytest.mark.parametrize(
    "error",
    [
        aiohttp.ConnectionTimeoutError(f"Connection timeout to host https://x/bot{SECRET}"),
        aiohttp.SocketTimeoutError(SECRET),
        aiohttp.InvalidURL(f"https://x/bot{SECRET}"),
        aiohttp.ClientHttpProxyError(REFUSED, (), status=407, message="no"),
    ],
)
def test_addresses_go(error: Exception) -> None:
    """Where the text may be an address, only the kind of the error is left."""
    assert SECRET in f"{error!r} {error}"
    clean = without_address(error)

    assert SECRET not in f"{clean!r} {clean}"
    assert isinstance(clean, aiohttp.ClientError)
    assert isinstance(error, TimeoutError) == isinstance(clean, TimeoutError)


def test_harmless_errors_stay() -> None:
    """An error that names no more than host and port is chained as it is."""
    error = aiohttp.ServerDisconnectedError()

    assert error is without_address(error)
