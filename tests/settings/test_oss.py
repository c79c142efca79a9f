"""Settings of OSS that look like a mistake, and settings that cannot work without more."""

from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from bot.settings import SettingsError, load, loading, warnings

NEEDED = {
    "RELAY_TELEGRAM__TOKEN": "123456789:AAE-invented_token_of_a_bot",
    "RELAY_OSS__BUCKET": "bucket",
    "RELAY_OSS__ACCESS_KEY_ID": "id-of-key",
    "RELAY_OSS__ACCESS_KEY_SECRET": "secret",
    "RELAY_ACCESS__USERS": "1",
}


def warned(**more: str) -> list[str]:
    """Return the names of the settings that are warned of."""
    settings = load(None, NEEDED | {f"RELAY_{name}": value for name, value in more.items()})
    return [line.partition(":")[0] for line in warnings(settings)]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"OSS__ENDPOINT": "oss-cn-hongkong-internal.aliyuncs.com"}, ["oss.endpoint"]),
        (
            {
                "OSS__ENDPOINT": "oss-cn-hongkong-internal.aliyuncs.com",
                "LINK__DOMAIN": "f.example",
            },
            [],
        ),
        ({"OSS__UPLOAD_ENDPOINT": "oss-cn-hongkong-internal.aliyuncs.com"}, []),
        ({"OSS__ENDPOINT": "oss-cn-beijing.aliyuncs.com"}, ["oss.endpoint"]),
        ({"OSS__UPLOAD_ENDPOINT": "oss-cn-beijing.aliyuncs.com"}, ["oss.upload_endpoint"]),
        ({"OSS__ENDPOINT": "oss-accelerate.aliyuncs.com"}, []),
        ({"OSS__ENDPOINT": "http://127.0.0.1:9000"}, []),
        # Reports: halo-dev/plugin-s3#184, rustfs/cli#150, vesoft-inc/nebula-br#62.
        ({"OSS__ENDPOINT": "oss-cn-hongkong.aliyun.com"}, ["oss.endpoint"]),
        ({"OSS__PATH_STYLE": "true"}, ["oss.path_style"]),
        ({"LINK__DOMAIN": "bucket.oss-cn-hongkong.aliyuncs.com"}, ["link.domain"]),
        ({"ACCESS__USERS": "123456789"}, ["access.users"]),
        ({}, []),
    ],
)
def test_endpoints(more: dict[str, str], expected: list[str]) -> None:
    """A host of Alibaba Cloud tells its region and its kind; others say nothing."""
    assert warned(**more) == expected


def test_name_that_ends_with_a_line_break() -> None:
    """A line break, as of a value that was pasted, is no part of a bucket's name."""
    with pytest.raises(SettingsError, match=r"oss\.bucket: 'bucket\\n' is not allowed"):
        warned(OSS__BUCKET="bucket\n")


def test_bucket_inside_the_endpoint() -> None:
    """OSS's own endpoint with the bucket in front cannot work; the message says what to do."""
    with pytest.raises(SettingsError, match=r"leave bucket\. out"):
        warned(OSS__ENDPOINT="https://bucket.oss-cn-hongkong.aliyuncs.com")
    assert warned(OSS__ENDPOINT="https://bucket.example.com") == []


@pytest.mark.parametrize(
    ("mode", "toml", "warns"),
    [
        (0o644, '[oss]\naccess_key_secret = "secret"\n', True),
        (0o640, '[oss]\naccess_key_secret = "secret"\n', False),
        (0o644, '[oss]\nbucket = "bucket"\n', False),
    ],
)
def test_readable_by_others(mode: int, toml: str, warns: bool, tmp_path: Path) -> None:  # noqa: FBT001 - see above.
    """A file with a secret that every user of the machine can read is named with the remedy."""
    path = tmp_path / "settings.toml"
    path.write_text(toml)
    path.chmod(mode)
    found = warnings(load(path, NEEDED), path)

    assert [f"chmod 600 {path}" in line for line in found] == [True] * warns


@pytest.mark.parametrize(
    ("key", "library"), [("TELEGRAM__PROXY", "aiohttp_socks"), ("OSS__PROXY", "python_socks")]
)
@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "http"])
def test_socks_without_its_library(
    key: str, library: str, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A SOCKS proxy without the library that its client needs is refused, with the extra's
    name.
    """

    def find(name: str) -> ModuleSpec | None:
        return None if name == library else ModuleSpec(name, None)

    monkeypatch.setattr(loading, "find_spec", find)
    proxy = f"{scheme}://127.0.0.1:1080"
    if scheme == "http":
        assert warned(**{key: proxy}) == []
        return
    with pytest.raises(SettingsError, match=r"needs the extra \"socks\"") as caught:
        warned(**{key: proxy})
    assert [p.partition(":")[0] for p in caught.value.problems] == [key.lower().replace("__", ".")]
