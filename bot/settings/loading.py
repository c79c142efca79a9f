"""The root of the settings, and the one function that reads them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from pydantic import ValidationError, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from bot.settings import sections
from bot.settings.environment import read_environment
from bot.settings.limits import LimitSettings
from bot.settings.oss import OssSettings
from bot.settings.problems import SettingsError, allowed_of, explain, walk
from bot.settings.telegram import TelegramSettings
from bot.settings.types import Contradiction
from bot.settings.web import WebSettings


class Settings(BaseSettings):
    """Everything that can be set. Made by `load` alone, from a file and variables handed to it."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    telegram: TelegramSettings
    oss: OssSettings
    link: sections.LinkSettings
    transfer: sections.TransferSettings
    limits: LimitSettings
    spool: sections.SpoolSettings
    ledger: sections.LedgerSettings
    access: sections.AccessSettings
    log: sections.LogSettings
    stop: sections.StopSettings
    web: WebSettings

    @field_validator("link")
    @classmethod
    def _agree_with_oss(
        cls, link: sections.LinkSettings, info: ValidationInfo
    ) -> sections.LinkSettings:
        oss = info.data.get("oss")  # absent where it has mistakes of its own
        if oss and oss.path_style and link.domain:
            raise Contradiction(
                "a domain bound to the bucket does not go with oss.path_style", key="link.domain"
            )
        return link

    @field_validator("web")
    @classmethod
    def _listen_for_webhook(cls, web: WebSettings, info: ValidationInfo) -> WebSettings:
        telegram = info.data.get("telegram")  # absent where it has mistakes of its own
        if telegram and telegram.webhook_url and web.port is None:
            raise Contradiction(
                "telegram.webhook_url needs a port at which this bot listens", key="web.port"
            )
        return web

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the library's signature
        *_: PydanticBaseSettingsSource,
        **sources: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read nothing on its own, above all not this process's variables; `load` binds both."""
        return (sources["init_settings"],)

    def below(self, folder: Path) -> Self:
        """Return the same settings with relative paths anchored at `folder`."""
        spool = self.spool.model_copy(update={"folder": folder / self.spool.folder})
        ledger = self.ledger.model_copy(update={"path": folder / self.ledger.path})
        return self.model_copy(update={"spool": spool, "ledger": ledger})


_SDK_VARIABLES: Final = {
    "access_key_id": "OSS_ACCESS_KEY_ID",
    "access_key_secret": "OSS_ACCESS_KEY_SECRET",
}
"""Source: alibabacloud_oss_v2 `EnvironmentVariableCredentialsProvider`."""

SECRETS: Final = frozenset(key for key, info in walk(Settings) if allowed_of(info).secret)
"""The dotted keys whose value is a secret; `RELAY_…_FILE` works for these."""


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read the settings: the TOML file at `path`, if any, and over it the variables.

    Relative paths start at the file's folder, without a file at the working folder.

    Raises:
        SettingsError: the file cannot be read, or anything in it or in the variables is wrong; it
            lists every mistake.
    """
    environment = read_environment(environ, SECRETS)
    if path is not None and not path.is_file():
        raise SettingsError([*environment.problems, f"{path}: there is no such file"])
    try:
        settings = _read(path, dict(environment.values))
    except ValidationError as error:
        problems = environment.problems + explain(error, Settings, environment.origins)
        raise SettingsError(problems) from None  # what pydantic says may repeat a secret
    except (OSError, ValueError) as error:
        raise SettingsError([*environment.problems, _unreadable(path, error)]) from error
    problems = environment.problems + _missing_key(settings, environ)
    if problems:
        raise SettingsError(problems)
    return settings.below((path.parent if path else Path()).absolute())


def _read(path: Path | None, variables: dict[str, object]) -> Settings:
    """Make the settings from these two places and from nowhere else."""
    # Every section exists, so that what is missing is named by its key.
    empty: dict[str, object] = {section: {} for section in Settings.model_fields}

    class Bound(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            *_: PydanticBaseSettingsSource,
            **__: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (
                InitSettingsSource(settings_cls, variables),
                TomlConfigSettingsSource(settings_cls, path),
                InitSettingsSource(settings_cls, empty),
            )

    return Bound()  # type: ignore[call-arg]  # the sources bring every section.


def _unreadable(path: Path | None, error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{path}: cannot be read: {error.strerror}"
    if isinstance(error, UnicodeDecodeError):
        return f"{path}: is not UTF-8 text"
    return f"{path}: is not TOML: {error}"


def _missing_key(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """Say early what the SDK would say at the first upload: nobody gave it an access key."""
    if settings.oss.credentials == "settings":
        return []
    return [
        f"oss.{key}: is missing, and {name} is not set either"
        for key, name in _SDK_VARIABLES.items()
        if not environ.get(name)
    ]
