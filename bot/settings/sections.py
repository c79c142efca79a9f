"""Sections of the settings, one frozen model per concern. The cost of each setting is described in
`settings.example.toml`.
"""

import ipaddress
from datetime import timedelta, tzinfo
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)

from bot.clock import find_zone
from bot.core.files import CLOUD_DOWNLOAD_LIMIT, LinkMode, shown_size
from bot.core.limits import TransferLimits
from bot.core.ports.ledger import LedgerPlace, LedgerServer
from bot.settings import types
from bot.settings.types import Allowed, Contradiction

T = TypeVar("T")


class Section(BaseModel):
    """Base of all sections: refuses unknown keys, is frozen, and keeps input values out of
    errors.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        validate_default=True,
        # `Settings` builds the validators of all sections; built twice, they take 60 ms.
        defer_build=True,
        # That of the library compiles each pattern of each setting anew, into megabytes.
        regex_engine="python-re",
    )


class LinkSettings(Section):
    """Format and lifetime of links."""

    mode: Annotated[LinkMode, Allowed('"signed", "public" or "page"')] = LinkMode.SIGNED
    lifetime: types.Lifetime = timedelta(hours=23, minutes=55)
    domain: types.WebOrigin | None = None
    options_in_groups: Annotated[Literal["few", "all"], Allowed('"few" or "all"')] = "few"


class TransferSettings(Section):
    """Concurrency and time-outs of transfers. `minimum_rate` is bytes per second."""

    connections_per_file: types.Connections = 8
    connections: types.Connections = 32
    at_once: types.Count = 4
    per_owner: types.Count = 2
    per_group: types.Count = 3
    minimum_rate: types.Size = 8 << 10

    @field_validator("connections")
    @classmethod
    def _feed_one_file(cls, connections: int, info: ValidationInfo) -> int:
        if connections < (one_file := info.data.get("connections_per_file", 0)):
            raise Contradiction(
                f"{connections} is less than transfer.connections_per_file, which is {one_file}"
            )
        return connections

    @field_validator("per_owner")
    @classmethod
    def _fit_in(cls, per_owner: int, info: ValidationInfo) -> int:
        if per_owner > (at_once := info.data.get("at_once", per_owner)):
            raise Contradiction(f"{per_owner} is more than transfer.at_once, which is {at_once}")
        return per_owner


class SpoolSettings(Section):
    """The folder of files in transfer: at most `quota` bytes, with `keep_free` bytes left on that
    disk.
    """

    folder: types.LocalPath = Path("spool")
    quota: types.Size = 10 << 30
    keep_free: types.SizeOrNone = 1 << 30


class LedgerSettings(Section):
    """The ledger: its file, or its database on a server, and how long it keeps what ended."""

    path: types.LocalPath = Path("relay.sqlite3")
    url: types.PostgresUrl | None = None
    keep: types.Keep = timedelta(days=30)

    @property
    def place(self) -> LedgerPlace:
        """Where the ledger is: on the server, if there is one, otherwise in the file."""
        return self.path if self.url is None else LedgerServer(self.url.get_secret_value())


class AccessSettings(Section):
    """The users and groups that may use the bot, by numeric id."""

    users: types.UserIds = ()
    admins: types.UserIds = ()
    groups: types.GroupIds = ()

    @property
    def everybody(self) -> frozenset[int]:
        """Users and admins together: admins may do all that users may."""
        return frozenset(self.users) | frozenset(self.admins)


class LogSettings(Section):
    """Level and format of the logs."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Allowed('"debug", "info", "warning" or "error"'),
    ] = "info"
    format: Annotated[Literal["auto", "pretty", "json"], Allowed('"auto", "pretty" or "json"')] = (
        "auto"
    )


class StopSettings(Section):
    """Shutdown of the bot."""

    grace: types.Grace = timedelta(seconds=20)


class WorkerSettings(Section):
    """A worker on one of several machines. Without a name it has one of its machine and spool."""

    name: types.WorkerName | None = None


class LimitSettings(Section):
    """Limits on files and bytes in any 24 hours, and on the bytes of one file; 0 is no limit.
    Those of a group hold for all its members together.
    """

    owner_files: types.CountOrNone = 1000
    owner_bytes: types.SizeOrNone = 0
    owner_largest: types.SizeOrNone = 0
    group_files: types.CountOrNone = 0
    group_bytes: types.SizeOrNone = 0
    group_largest: types.SizeOrNone = 0

    @property
    def owner(self) -> TransferLimits:
        """Limits of one person."""
        return TransferLimits(self.owner_files, self.owner_bytes, self.owner_largest)

    @property
    def group(self) -> TransferLimits:
        """Limits of all members of a group together."""
        return TransferLimits(self.group_files, self.group_bytes, self.group_largest)


def _endpoint_of(values: dict[str, Any]) -> str:
    return f"https://oss-{values.get('region', 'cn-hongkong')}.aliyuncs.com"


Credentials = Literal["access_key", "environment", "ecs_ram_role", "oidc_role_arn", "profile"]


def _credentials_of(values: dict[str, Any]) -> Credentials:
    return "access_key" if values.get("access_key_id") else "environment"


class OssSettings(Section):
    """The bucket and its endpoints. `credentials` is the source of the access key: the settings
    or, without one there, the SDK's environment variables; the other names are those of the
    library `alibabacloud-credentials`.
    """

    bucket: types.Bucket
    region: types.Region = "cn-hongkong"
    endpoint: types.WebOrigin = Field(default_factory=_endpoint_of)
    upload_endpoint: types.WebOrigin | None = None
    access_key_id: types.AccessKey | None = None
    access_key_secret: types.AccessKey | None = None
    credentials: Annotated[
        Credentials,
        Allowed('"access_key", "environment", "ecs_ram_role", "oidc_role_arn" or "profile"'),
    ] = Field(default_factory=_credentials_of)
    role_name: types.KeyName | None = None
    profile: types.KeyName | None = None
    token_lifetime: types.TokenLifetime = timedelta(hours=1)
    token_expires_at: types.Moment | None = None
    path_style: Annotated[bool, Allowed("true or false")] = False
    proxy: types.ProxyUrl | None = None

    @field_validator("endpoint", "upload_endpoint")
    @classmethod
    def _leave_bucket_out(cls, url: str | None, info: ValidationInfo) -> str | None:
        host, bucket = urlsplit(url or "").hostname or "", info.data.get("bucket")
        if host.startswith(f"{bucket}.") and types.is_of_oss(host):
            raise Contradiction(
                f"has the name of the bucket in front, which is added by itself: leave {bucket}."
                " out"
            )
        return url

    @field_validator("access_key_secret")
    @classmethod
    def _complete_pair(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        # An invalid id is absent here, and reported already.
        if "access_key_id" in info.data and (info.data["access_key_id"] is None) != (
            secret is None
        ):
            raise Contradiction(
                "goes together with oss.access_key_id: set both, or neither to take them from"
                " OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET"
            )
        return secret

    @field_validator("credentials")
    @classmethod
    def _one_key(cls, credentials: str, info: ValidationInfo) -> str:
        if "access_key_id" not in info.data:
            return credentials
        has_key = info.data["access_key_id"] is not None
        if has_key != (credentials == "access_key"):
            raise Contradiction(
                f'"{credentials}" does not go with oss.access_key_id; leave one of them out'
                if has_key
                else '"access_key" needs oss.access_key_id and oss.access_key_secret'
            )
        return credentials

    @field_validator("role_name", "profile", "token_expires_at")
    @classmethod
    def _belong(cls, value: T, info: ValidationInfo) -> T:
        credentials, wanted = info.data.get("credentials"), _OWNERS[info.field_name or ""]
        if value is not None and credentials not in {None, wanted}:
            raise Contradiction(f'goes only with oss.credentials = "{wanted}"')
        return value


_OWNERS: Final = {
    "role_name": "ecs_ram_role",
    "profile": "profile",
    "token_expires_at": "environment",
}
"""What a setting about keys goes with."""


LOCAL_DOWNLOAD_LIMIT: Final = 4 << 30
"""Default of the largest file in bytes in local mode: above the 4,000 MiB that Telegram lets its
paying users send, which it calls 4 GB.
"""


class TelegramMode(StrEnum):
    """The Bot API server that serves the files."""

    CLOUD = "cloud"
    """Telegram's own server, or a compatible one: files up to 20 MiB over HTTP."""
    LOCAL = "local"
    """Your own server, run with `--local`: files of any size, as paths on a shared disk."""


def _is_cloud(info: ValidationInfo) -> bool:
    return info.data.get("mode") is TelegramMode.CLOUD


def _is_local(info: ValidationInfo) -> bool:
    return info.data.get("mode") is TelegramMode.LOCAL


def _limit_of(values: dict[str, Any]) -> int:
    is_local = values.get("mode") is TelegramMode.LOCAL
    return LOCAL_DOWNLOAD_LIMIT if is_local else CLOUD_DOWNLOAD_LIMIT


class TelegramSettings(Section):
    """The bot and its Bot API server. `limit` is bytes; `path_map` maps the server's paths to
    ours.
    """

    token: types.Token
    # First, because the allowed values of the others depend on it.
    mode: Annotated[TelegramMode, Allowed('"cloud" or "local"')] = TelegramMode.CLOUD
    base_url: types.WebUrl = "https://api.telegram.org"
    proxy: types.ProxyUrl | None = None
    file_root: types.LocalPath | None = None
    path_map: types.PathMap = Field(default_factory=dict)
    limit: types.Size = Field(default_factory=_limit_of)
    webhook_url: types.WebUrl | None = None
    zone: types.Zone = "UTC"
    reactions: Annotated[bool, Allowed("true or false")] = False

    @property
    def timezone(self) -> tzinfo:
        """The time zone of times shown in chats without a zone of their own."""
        return find_zone(self.zone)

    @property
    def bot_id(self) -> int:
        """The numeric id of the bot, which is the first half of its token and no secret."""
        return int(self.token.get_secret_value().partition(":")[0])

    @field_validator("base_url")
    @classmethod
    def _hide_token(cls, url: str, info: ValidationInfo) -> str:
        if _is_cloud(info) and url.startswith("http:") and not types.is_loopback(url):
            raise Contradiction(
                "must be https, because the token travels in the URL; http is for 127.0.0.1 and"
                ' for telegram.mode = "local"'
            )
        return url

    @field_validator("file_root")
    @classmethod
    def _know_root(cls, root: Path | None, info: ValidationInfo) -> Path | None:
        if _is_local(info) and (root is None or not root.is_absolute()):
            raise Contradiction(
                'telegram.mode = "local" needs the absolute path of the folder in which the'
                " server keeps its files"
            )
        if _is_cloud(info) and root is not None:
            raise Contradiction('goes only with telegram.mode = "local"')
        return root

    @field_validator("path_map")
    @classmethod
    def _need_map(cls, paths: dict[str, Path], info: ValidationInfo) -> dict[str, Path]:
        if _is_cloud(info) and paths:
            raise Contradiction('goes only with telegram.mode = "local"')
        return paths

    @field_validator("limit")
    @classmethod
    def _obey_cloud(cls, limit: int, info: ValidationInfo) -> int:
        if _is_cloud(info) and limit > CLOUD_DOWNLOAD_LIMIT:
            raise Contradiction(
                f"{limit} bytes are more than the {CLOUD_DOWNLOAD_LIMIT}"
                f" ({shown_size(CLOUD_DOWNLOAD_LIMIT)}) that Telegram's own server hands out;"
                ' larger files need telegram.mode = "local"'
            )
        return limit

    @field_validator("webhook_url")
    @classmethod
    def _hide_updates(cls, url: str | None, info: ValidationInfo) -> str | None:
        if url is None or url.startswith("https:") or types.is_loopback(url) or _is_local(info):
            return url
        raise Contradiction(
            "must be https, because Telegram delivers to nothing else; http is for 127.0.0.1 and"
            ' for telegram.mode = "local"'
        )


def _address(text: str) -> str:
    return str(ipaddress.ip_address(text))


def _number(value: object) -> object:
    # TOML's `true` is a Python int and is never meant as 1.
    if isinstance(value, bool):
        raise ValueError("not a number")  # noqa: TRY004 - pydantic reports only this one
    return value


Address = Annotated[
    str,
    AfterValidator(_address),
    Allowed('an IP address of this machine such as "127.0.0.1"; "0.0.0.0" takes all of them'),
]
Port = Annotated[
    int,
    BeforeValidator(_number),
    Field(ge=0, le=65535),
    Allowed("a port from 1 to 65535, or 0 for any that is free"),
]


class WebSettings(Section):
    """The address of the web server; without a port there is none. `url` is its address for the
    world, at which pages are shown; without it there are no pages.
    """

    host: Address = "127.0.0.1"
    port: Port | None = None
    url: types.WebOrigin | None = None
    trusted_proxies: types.Networks = ("127.0.0.0/8", "::1/128")

    @field_validator("url")
    @classmethod
    def _listen(cls, url: str | None, info: ValidationInfo) -> str | None:
        if url is not None and info.data.get("port", 0) is None:
            raise Contradiction("web.url needs a port at which this bot listens", key="web.port")
        return url
