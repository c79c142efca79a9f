"""The section `[telegram]`: the bot and the Bot API server it talks to."""

from datetime import tzinfo
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, ValidationInfo, field_validator

from bot.core.files import CLOUD_DOWNLOAD_LIMIT
from bot.core.zones import find_zone
from bot.settings import types
from bot.settings.section import Section
from bot.settings.types import Allowed, Contradiction

LOCAL_DOWNLOAD_LIMIT: Final = 4 << 30
"""Bytes that local mode takes at most unless told otherwise: above the 4,000 MiB that Telegram
lets its paying users send, which it calls 4 GB.
"""


class TelegramMode(StrEnum):
    """Whose Bot API server hands over the files."""

    CLOUD = "cloud"
    """Telegram's own, or one that behaves like it: files up to 20 MiB over HTTP."""
    LOCAL = "local"
    """A server of yours that runs with `--local`: files of any size, as paths on a shared disk."""


def _is_cloud(info: ValidationInfo) -> bool:
    return info.data.get("mode") is TelegramMode.CLOUD


def _is_local(info: ValidationInfo) -> bool:
    return info.data.get("mode") is TelegramMode.LOCAL


def _limit_of(values: dict[str, Any]) -> int:
    is_local = values.get("mode") is TelegramMode.LOCAL
    return LOCAL_DOWNLOAD_LIMIT if is_local else CLOUD_DOWNLOAD_LIMIT


class TelegramSettings(Section):
    """The bot and the way to it. `limit` is bytes; `path_map` leads from the server's paths to
    ours.
    """

    token: types.Token
    # Stands in front, because what the others may be depends on it.
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
        """The zone of the moments that people are told in chats that chose none."""
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
                f"{limit} bytes are more than the {CLOUD_DOWNLOAD_LIMIT} (20 MiB) that Telegram's"
                ' own server hands out; larger files need telegram.mode = "local"'
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
