"""A key that cannot be renewed, and links that only the bot ends."""

import pytest

from bot.adapters.oss.client import AccessKey, BucketAddress, OssConnection
from bot.core.errors import StoreKeyRefused
from bot.core.files import LinkMode
from bot.sandbox.clock import SandboxClock
from bot.settings import load
from bot.wiring.resources import refuse_unrenewable_key


@pytest.mark.parametrize("mode", LinkMode)
@pytest.mark.parametrize("token", [None, "token"])
def test_public_mode_needs_a_key_that_stays(mode: LinkMode, token: str | None) -> None:
    """Only a temporary key with public links is refused, and the text says why."""
    key = AccessKey(access_key_id="id", access_key_secret="secret", security_token=token)
    address = BucketAddress(bucket="files", region="cn-hongkong")
    oss = OssConnection(address, SandboxClock(), key=key)
    variables = {
        "RELAY_TELEGRAM__TOKEN": "123456:" + "A" * 35,
        "RELAY_OSS__BUCKET": "files",
        "OSS_ACCESS_KEY_ID": "id",
        "OSS_ACCESS_KEY_SECRET": "secret",
        "RELAY_ACCESS__USERS": "1",
        "RELAY_LINK__MODE": mode.value,
        "RELAY_WEB__PORT": "0",
        "RELAY_WEB__URL": "https://files.example.com",
    }
    settings = load(None, variables)
    if mode is LinkMode.PUBLIC and token:
        with pytest.raises(StoreKeyRefused, match="needs a key without a token"):
            refuse_unrenewable_key(settings, oss)
    else:
        refuse_unrenewable_key(settings, oss)
