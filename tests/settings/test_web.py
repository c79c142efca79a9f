"""The port for monitoring, and the webhook that needs it."""

import pytest

from bot.settings import SettingsError, load, warnings

NEEDED = {
    "RELAY_TELEGRAM__TOKEN": "123456789:AAE-invented_token_of_a_bot",
    "RELAY_OSS__BUCKET": "bucket",
    "RELAY_OSS__ACCESS_KEY_ID": "id-of-key",
    "RELAY_OSS__ACCESS_KEY_SECRET": "secret",
    "RELAY_ACCESS__USERS": "1",
}


def problems_of(**more: str) -> list[str]:
    """Return what is wrong with these settings."""
    try:
        load(None, NEEDED | {f"RELAY_{name}": value for name, value in more.items()})
    except SettingsError as error:
        return error.problems
    return []


def test_off_by_default() -> None:
    """Without a port nothing listens, and Telegram is asked."""
    settings = load(None, NEEDED)

    assert (settings.web.port, settings.telegram.webhook_url) == (None, None)


@pytest.mark.parametrize(
    ("name", "value", "key"),
    [
        ("WEB__PORT", "65536", "web.port"),
        ("WEB__PORT", "-1", "web.port"),
        ("WEB__PORT", "http", "web.port"),
        ("WEB__HOST", "localhost", "web.host"),
        ("WEB__HOST", "127.0.0.1:80", "web.host"),
        ("TELEGRAM__WEBHOOK_URL", "http://bot.example.com/x", "telegram.webhook_url"),
        ("TELEGRAM__WEBHOOK_URL", "https://u:p@bot.example.com/x", "telegram.webhook_url"),
        ("TELEGRAM__WEBHOOK_URL", "bot.example.com", "telegram.webhook_url"),
    ],
)
def test_mistakes(name: str, value: str, key: str) -> None:
    """A bad value is one line that names its key."""
    (problem,) = problems_of(**{"WEB__PORT": "8080"} | {name: value})

    assert problem.startswith(f"{key}: ")


def test_webhook_needs_a_port() -> None:
    """A webhook without a port at which it is taken in is a contradiction."""
    problems = problems_of(TELEGRAM__WEBHOOK_URL="https://bot.example.com/telegram")

    assert problems == ["web.port: telegram.webhook_url needs a port at which this bot listens"]


PAGES = {"LINK__MODE": "page", "WEB__PORT": "8080", "WEB__URL": "https://files.example.org"}


@pytest.mark.parametrize(
    ("missing", "expected"), [(None, []), ("WEB__URL", ["web.url"]), ("WEB__PORT", ["web.port"])]
)
def test_pages_need_an_address(missing: str | None, expected: list[str]) -> None:
    """Pages have an address for the world, and a port to which it leads."""
    given = {name: value for name, value in PAGES.items() if name != missing}

    assert [problem.partition(":")[0] for problem in problems_of(**given)] == expected


@pytest.mark.parametrize(
    "url", ["http://files.example.org", "https://files.example.org/x", "ftp://files.example.org"]
)
def test_bad_address_of_pages(url: str) -> None:
    """It is an https origin; http is for this machine."""
    (problem,) = problems_of(WEB__PORT="8080", WEB__URL=url)

    assert problem.startswith("web.url: ")


def test_trusted_proxies() -> None:
    """Networks and single addresses, in a list or in a variable; by default this machine."""
    found = load(None, NEEDED | {"RELAY_WEB__TRUSTED_PROXIES": "10.0.0.0/8, ::1, 10.1.2.3"})
    (problem,) = problems_of(WEB__TRUSTED_PROXIES="10.0.0.1/8")

    assert load(None, NEEDED).web.trusted_proxies == ("127.0.0.0/8", "::1/128")
    assert found.web.trusted_proxies == ("10.0.0.0/8", "::1/128", "10.1.2.3/32")
    assert problem.startswith("web.trusted_proxies: ")


def test_plain_webhook_of_a_local_server() -> None:
    """A Bot API server of one's own delivers over http, to any port."""
    local = {"TELEGRAM__MODE": "local", "TELEGRAM__FILE_ROOT": "/srv/x", "WEB__PORT": "8080"}

    assert problems_of(TELEGRAM__WEBHOOK_URL="http://bot:8080/telegram", **local) == []


@pytest.mark.parametrize(("host", "count"), [("127.0.0.1", 0), ("::1", 0), ("0.0.0.0", 1)])  # noqa: S104 -- never bound.
def test_open_to_others(host: str, count: int) -> None:
    """An address that others reach is worth a warning."""
    given = NEEDED | {"RELAY_WEB__HOST": host, "RELAY_WEB__PORT": "8080"}
    found = [line for line in warnings(load(None, given)) if line.startswith("web.host: ")]

    assert len(found) == count
