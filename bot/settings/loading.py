"""Loading of the settings from a TOML file and from `RELAY_…` variables."""

import hashlib
import re
import socket
import stat
import tomllib
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from pydantic import ValidationError, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from bot.core.files import LinkMode
from bot.settings import sections
from bot.settings.problems import SettingsError, allowed_of, explain, walk
from bot.settings.sections import (
    LimitSettings,
    OssSettings,
    TelegramMode,
    TelegramSettings,
    WebSettings,
)
from bot.settings.types import EXAMPLE_USER, PLACEHOLDER, Contradiction, is_loopback, is_of_oss

PREFIX: Final = "RELAY_"
DEFAULT_PREFIX: Final = "RELAY_DEFAULT__"
"""Begins the variables that lose to the file: `RELAY_DEFAULT__LEDGER__PATH`. The container image
sets such ones, so that a settings file means the same with and without it.
"""
FILE_SUFFIX: Final = "_FILE"

LARGEST_SECRET: Final = 64 << 10
"""Largest size in bytes of a secret's file; a disk image named by mistake is refused."""


@dataclass
class Environment:
    """The settings given by variables: `values` by section and key, `origins` the variable behind
    each dotted key, `problems` one line each.
    """

    values: dict[str, dict[str, object]] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read_environment(environ: Mapping[str, str], secrets: Set[str]) -> Environment:
    """Read every variable that begins with `RELAY_`, but for defaults; empty ones count as not
    set.

    `secrets` are the dotted keys with values that may come from a file. Reads those files.
    """
    own = {name: text for name, text in environ.items() if not name.startswith(DEFAULT_PREFIX)}
    return _read_variables(own, PREFIX, secrets)


def read_defaults(environ: Mapping[str, str]) -> Environment:
    """Read every variable that begins with `RELAY_DEFAULT__`; empty ones count as not set."""
    return _read_variables(environ, DEFAULT_PREFIX, frozenset())


def _read_variables(environ: Mapping[str, str], prefix: str, secrets: Set[str]) -> Environment:
    found = Environment()
    for name in sorted(environ):
        if name.startswith(prefix) and environ[name]:
            _take(found, name, name.removeprefix(prefix), environ[name], secrets)
    return found


def _take(found: Environment, name: str, rest: str, value: str, secrets: Set[str]) -> None:
    key = rest.lower().replace("__", ".", 1)
    if key.endswith(FILE_SUFFIX.lower()) and key.removesuffix(FILE_SUFFIX.lower()) in secrets:
        key = key.removesuffix(FILE_SUFFIX.lower())
        content = _read_secret(found, name, Path(value))
        if content is None:
            return
        value = content
    if key in found.origins:
        found.problems.append(f"{key}: is set by both {found.origins[key]} and {name}")
        return
    section, dot, setting = key.partition(".")
    if not dot:
        found.problems.append(
            f"{name}: names no setting; {PREFIX}SECTION__KEY does, such as {PREFIX}OSS__BUCKET"
        )
        return
    found.origins[key] = name
    found.values.setdefault(section, {})[setting] = value


def _read_secret(found: Environment, name: str, path: Path) -> str | None:
    try:
        with path.open(encoding="utf-8") as file:
            content = file.read(LARGEST_SECRET + 1).strip()
    except OSError as error:
        found.problems.append(f"{name}: cannot read {path}: {error.strerror}")
        return None
    except ValueError:
        found.problems.append(f"{name}: {path} is not a text file")
        return None
    if not content or len(content) > LARGEST_SECRET:
        found.problems.append(f"{name}: {path} must hold the secret and nothing else")
        return None
    return content


class Settings(BaseSettings):
    """All settings. Made only by `load`, from the file and the variables that it is given."""

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
    worker: sections.WorkerSettings
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

    @field_validator("web")
    @classmethod
    def _show_pages(cls, web: WebSettings, info: ValidationInfo) -> WebSettings:
        link = info.data.get("link")  # absent where it has mistakes of its own
        if link and link.mode is LinkMode.PAGE and web.url is None:
            raise Contradiction(
                'link.mode = "page" needs the address of the pages, such as'
                ' "https://files.example.com", and web.port, to which it leads',
                key="web.url",
            )
        return web

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the library's signature
        *_: PydanticBaseSettingsSource,
        **sources: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Keep the library from reading any source itself, such as the variables of this process;
        `load` binds both.
        """
        return (sources["init_settings"],)

    @property
    def worker_name(self) -> str:
        """What names this worker among all: as set, or by its machine and its spool."""
        if self.worker.name is not None:
            return self.worker.name
        host = re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:40]
        spool = str(self.spool.folder.absolute()).encode()
        return f"{host}-{hashlib.sha256(spool).hexdigest()[:6]}"

    def below(self, folder: Path) -> Self:
        """Return the same settings with relative paths resolved against `folder`."""
        spool = self.spool.model_copy(update={"folder": folder / self.spool.folder})
        ledger = self.ledger.model_copy(update={"path": folder / self.ledger.path})
        return self.model_copy(update={"spool": spool, "ledger": ledger})


_SDK_VARIABLES: Final = {
    "access_key_id": "OSS_ACCESS_KEY_ID",
    "access_key_secret": "OSS_ACCESS_KEY_SECRET",
}
"""Source: alibabacloud_oss_v2 `EnvironmentVariableCredentialsProvider`."""

_TOKEN: Final = "OSS_SESSION_TOKEN"  # noqa: S105 -- the name of a variable.

SECRETS: Final = frozenset(key for key, info in walk(Settings) if allowed_of(info).secret)
"""The dotted keys of secret values; `RELAY_…_FILE` works for these."""


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read the settings from the TOML file at `path`, if any, and from the variables, which win;
    those that begin with `RELAY_DEFAULT__` lose.

    Relative paths are resolved against the file's folder, or without a file the working folder.

    Raises:
        SettingsError: the file cannot be read, or anything in it or in the variables is wrong; it
            lists every mistake.
    """
    environment, defaults = read_environment(environ, SECRETS), read_defaults(environ)
    environment.problems += defaults.problems
    if path is not None and not path.is_file():
        raise SettingsError([*environment.problems, f"{path}: there is no such file"])
    file: dict[str, Any] = {}
    try:
        file = TomlConfigSettingsSource(Settings, path)()
        settings = _merged_settings(defaults.values, file, environment.values)
    except ValidationError as error:
        origins = {**_used(defaults.origins, file), **environment.origins}
        problems = environment.problems + explain(error, Settings, origins)
        raise SettingsError(problems) from None  # what pydantic says may repeat a secret
    except (OSError, ValueError) as error:
        raise SettingsError([*environment.problems, _unreadable(path, error)]) from error
    problems = environment.problems + _missing_key(settings, environ) + _missing_socks(settings)
    problems += _missing_driver(settings)
    if problems:
        raise SettingsError(problems)
    return settings.below((path.parent if path else Path()).absolute())


def _merged_settings(*sources: Mapping[str, object]) -> Settings:
    """Make the settings from these sources only; of several values the last one wins."""
    # Every section exists, so that an error about a missing value names its key.
    empty: dict[str, object] = {section: {} for section in Settings.model_fields}
    return Settings(**_merged(empty, *sources))


def _used(origins: Mapping[str, str], file: Mapping[str, Any]) -> dict[str, str]:
    """Return the origins of defaults that the file does not beat."""
    given = {
        f"{section}.{key}"
        for section, values in file.items()
        if isinstance(values, dict)
        for key in values
    }
    return {key: name for key, name in origins.items() if key not in given}


def _merged(*sources: Mapping[str, object]) -> dict[str, Any]:
    """Merge sections key by key; of several values the last one wins."""
    merged: dict[str, Any] = {}
    for source in sources:
        for section, value in source.items():
            before = merged.get(section)
            if isinstance(before, dict) and isinstance(value, dict):
                merged[section] = {**before, **value}
            else:
                merged[section] = value
    return merged


def _unreadable(path: Path | None, error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{path}: cannot be read: {error.strerror}"
    if isinstance(error, UnicodeDecodeError):
        return f"{path}: is not UTF-8 text"
    return f"{path}: is not TOML: {error}"


def _missing_key(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """Report at the start that no access key is set, or one that cannot be renewed; the SDK would
    fail only at the first upload.
    """
    if settings.oss.credentials == "access_key":
        return []
    if settings.oss.credentials != "environment":
        return _missing_extra(settings.oss.credentials)
    missing = [
        f"oss.{key}: is missing, and {name} is not set either"
        for key, name in _SDK_VARIABLES.items()
        if not environ.get(name)
    ]
    return missing or (_unrenewable(settings) if environ.get(_TOKEN) else [])


def _missing_extra(credentials: str) -> list[str]:
    if _is_installed("alibabacloud_credentials"):
        return []
    return [
        f'oss.credentials: "{credentials}" needs the extra "credentials":'
        " pip install 'file-relay-bot[credentials]'"
    ]


def _missing_socks(settings: Settings) -> list[str]:
    """Report SOCKS proxies without the library for them."""
    proxies = (
        ("telegram.proxy", settings.telegram.proxy, "aiohttp_socks"),
        ("oss.proxy", settings.oss.proxy, "python_socks"),
    )
    return [
        f"{key}: SOCKS needs the extra \"socks\": pip install 'file-relay-bot[socks]'"
        for key, proxy, module in proxies
        if proxy is not None
        and proxy.get_secret_value().lower().startswith("socks")
        and not _is_installed(module)
    ]


def _missing_driver(settings: Settings) -> list[str]:
    if settings.ledger.url is None or _is_installed("psycopg"):
        return []
    return ["ledger.url: needs the extra \"cluster\": pip install 'file-relay-bot[cluster]'"]


def _is_installed(module: str) -> bool:
    return find_spec(module) is not None


def _unrenewable(settings: Settings) -> list[str]:
    """Report a key with a token that is not renewed and may expire before its links."""
    if settings.link.mode is LinkMode.PUBLIC:
        return [
            f'link.mode: "public" needs a key that is renewed or has no token, and {_TOKEN} is'
            " set: when the token expires, the bot cannot end links any more; see oss.credentials"
        ]
    if settings.oss.token_expires_at is None:
        return [
            f"oss.token_expires_at: is missing, and {_TOKEN} is set; no link lives longer than"
            " the token that signed it"
        ]
    return []


_DEPENDING: Final = {
    LinkMode.PUBLIC: 'with "public" only this bot ends links; while it is down they stay open',
    LinkMode.PAGE: 'with "page" links open only while this bot runs and web.url leads to it',
}
"""How links depend on the bot, by mode."""


def warnings(
    settings: Settings, path: Path | None = None, environ: Mapping[str, str] | None = None
) -> list[str]:
    """Return one line for each setting that may be a mistake; none stops the bot. `path` is the
    file that they come from, `environ` the variables.
    """
    found = [
        *_readable_by_others(path),
        *_beaten(path, environ or {}),
        *endpoint_problems(settings),
    ]
    if EXAMPLE_USER in settings.access.everybody:
        found.append(
            f"access.users: {EXAMPLE_USER} is the id of settings.example.toml, and may be that of"
            " a stranger"
        )
    if not settings.access.everybody:
        found.append(
            "access.users: is empty, so no user may use the bot; its reply to you has your id"
        )
    if settings.link.mode in _DEPENDING:
        found.append(f"link.mode: {_DEPENDING[settings.link.mode]}")
    if settings.spool.quota < settings.telegram.limit and not _is_local(settings):
        found.append(
            f"spool.quota: {settings.spool.quota} bytes; files up to telegram.limit, which is"
            f" {settings.telegram.limit}, are refused where they do not fit"
        )
    base_url = settings.telegram.base_url
    if base_url.startswith("http:") and not is_loopback(base_url):
        found.append(
            "telegram.base_url: is plain http; only a network of your own may lie in between"
        )
    if settings.web.port is not None and not ip_address(settings.web.host).is_loopback:
        found.append(
            f"web.host: {settings.web.host} can be reached without the reverse proxy, in plain"
            " http; only a network of your own may"
        )
    if settings.log.level == "debug":
        found.append('log.level: "debug" is for looking into a fault, and writes a lot')
    return found


def _readable_by_others(path: Path | None) -> Iterator[str]:
    if path is None or not path.stat().st_mode & stat.S_IROTH:
        return
    given = tomllib.loads(path.read_text(encoding="utf-8"))
    if any(
        key in given.get(section, {}) for section, _, key in (s.partition(".") for s in SECRETS)
    ):
        yield f"{path}: every user of this machine can read the secrets in it: chmod 600 {path}"


def _beaten(path: Path | None, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each value of the file that a variable replaces by another one; it names
    no value.
    """
    if path is None:
        return
    given = tomllib.loads(path.read_text(encoding="utf-8"))
    environment = read_environment(environ, SECRETS)
    for key, name in environment.origins.items():
        section, _, setting = key.partition(".")
        written = given.get(section, {}).get(setting)
        if written in (None, "", []) or PLACEHOLDER in str(written):
            continue
        if _as_variable(written) != _as_variable(environment.values[section][setting]):
            yield f"{key}: {name} is set in the environment, and beats the value in {path}"


def _as_variable(value: object) -> str:
    """Return a value as one would write it into a variable, without blanks."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        value = [f"{there}={here}" for there, here in value.items()]
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return "".join(text.split())


def endpoint_problems(settings: Settings) -> list[str]:
    """Return one line for each endpoint or domain that looks like a mistake. Only hosts of Alibaba
    Cloud tell what they are.
    """
    oss, domain = settings.oss, urlsplit(settings.link.domain or "").hostname or ""
    found = [
        line
        for name, url in (("endpoint", oss.endpoint), ("upload_endpoint", oss.upload_endpoint))
        for line in _host_problems(name, urlsplit(url or "").hostname or "", oss)
    ]
    host = urlsplit(oss.endpoint).hostname or ""
    if is_of_oss(host) and "-internal." in host and not domain:
        found.append(
            f"oss.endpoint: {host} is internal, so links open on machines of Alibaba Cloud in"
            f" {oss.region} only; set it as oss.upload_endpoint instead"
        )
    if is_of_oss(domain):
        found.append(
            f"link.domain: {domain} is not a domain of yours, but one of OSS, with its limits;"
            " leave it out"
        )
    return found


def _host_problems(name: str, host: str, oss: OssSettings) -> Iterator[str]:
    if is_of_oss(host) and oss.region not in host and "accelerate" not in host:
        yield f"oss.{name}: {host} is not in the region {oss.region} (oss.region)"
    if host.endswith(".aliyun.com"):
        yield f"oss.{name}: {host} is no endpoint; those of OSS end with aliyuncs.com"
    if is_of_oss(host) and oss.path_style:
        yield f"oss.path_style: {host} refuses it (SecondLevelDomainForbidden)"


def _is_local(settings: Settings) -> bool:
    # Files of a local server are read in place and need no room in the spool.
    return settings.telegram.mode is TelegramMode.LOCAL
