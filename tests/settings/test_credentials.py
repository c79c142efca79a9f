"""Where the access key comes from, and what goes with it."""

import sys

import pytest

from bot.settings import SettingsError, load

MINIMAL = {
    "RELAY_TELEGRAM__TOKEN": "123456789:" + "A" * 35,
    "RELAY_OSS__BUCKET": "files",
    "RELAY_ACCESS__USERS": "1",
}
IN_SETTINGS = {"RELAY_OSS__ACCESS_KEY_ID": "LTAI", "RELAY_OSS__ACCESS_KEY_SECRET": "secret"}
IN_ENVIRONMENT = {"OSS_ACCESS_KEY_ID": "LTAI", "OSS_ACCESS_KEY_SECRET": "secret"}
TEMPORARY = IN_ENVIRONMENT | {"OSS_SESSION_TOKEN": "token"}
UNTIL = {"RELAY_OSS__TOKEN_EXPIRES_AT": "2026-01-31T18:00:00Z"}
PUBLIC = {"RELAY_LINK__MODE": "public"}


def kind(name: str) -> dict[str, str]:
    """Return the variable for a kind of key."""
    return {"RELAY_OSS__CREDENTIALS": name}


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        (IN_SETTINGS, "access_key"),
        (IN_SETTINGS | PUBLIC, "access_key"),
        # The variables of the SDK do not count where the settings have a key.
        (IN_SETTINGS | PUBLIC | {"OSS_SESSION_TOKEN": "token"}, "access_key"),
        (IN_ENVIRONMENT | PUBLIC, "environment"),
        (TEMPORARY | UNTIL, "environment"),
        (kind("ecs_ram_role") | {"RELAY_OSS__ROLE_NAME": "relay-bot"}, "ecs_ram_role"),
        (kind("ecs_ram_role") | PUBLIC, "ecs_ram_role"),
        (kind("oidc_role_arn") | {"RELAY_OSS__TOKEN_LIFETIME": "6h"}, "oidc_role_arn"),
        (kind("profile") | {"RELAY_OSS__PROFILE": "relay"}, "profile"),
    ],
)
def test_accepted(environ: dict[str, str], found: str) -> None:
    """A key that stays or is renewed goes with everything, a temporary one with its end."""
    assert load(None, MINIMAL | environ).oss.credentials == found


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        (IN_SETTINGS | kind("ecs_ram_role"), "does not go with oss.access_key_id"),
        (kind("access_key"), '"access_key" needs oss.access_key_id and oss.access_key_secret'),
        (kind("metadata"), "is not allowed"),
        (kind("profile") | {"RELAY_OSS__ROLE_NAME": "r"}, "oss.role_name: goes only with"),
        (IN_SETTINGS | UNTIL, "oss.token_expires_at: goes only with"),
        (kind("oidc_role_arn") | {"RELAY_OSS__TOKEN_LIFETIME": "14m"}, "oss.token_lifetime"),
        (TEMPORARY | {"RELAY_OSS__TOKEN_EXPIRES_AT": "2026-01-31T18:00:00"}, "with its zone"),
        (TEMPORARY, "oss.token_expires_at: is missing"),
        (TEMPORARY | UNTIL | PUBLIC, 'link.mode: "public" needs a key that is renewed'),
    ],
)
def test_refused(environ: dict[str, str], line: str) -> None:
    """One line says what is wrong."""
    with pytest.raises(SettingsError) as caught:
        load(None, MINIMAL | environ)

    assert len(caught.value.problems) == 1
    assert line in caught.value.problems[0]


@pytest.mark.parametrize(
    ("key", "module"), [("telegram.proxy", "aiohttp_socks"), ("oss.proxy", "python_socks")]
)
def test_socks_without_its_library(monkeypatch: pytest.MonkeyPatch, key: str, module: str) -> None:
    """It is a mistake in the settings, not in the first call."""
    variable = f"RELAY_{key.upper().replace('.', '__')}"
    environ = MINIMAL | IN_SETTINGS | {variable: "socks5h://me:hunter2@127.0.0.1:1080"}
    assert load(None, environ).oss.bucket == "files"
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SettingsError) as caught:
        load(None, environ)

    [problem] = caught.value.problems
    assert (
        problem == f"{key}: SOCKS needs the extra \"socks\": pip install 'file-relay-bot[socks]'"
    )


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line says how to install it."""
    monkeypatch.setitem(sys.modules, "alibabacloud_credentials", None)
    with pytest.raises(SettingsError) as caught:
        load(None, MINIMAL | kind("ecs_ram_role"))

    assert len(caught.value.problems) == 1
    assert "pip install 'file-relay-bot[credentials]'" in caught.value.problems[0]
