"""Keys from Alibaba Cloud's own library, `alibabacloud-credentials`, an extra of this package: of
the role of an ECS instance, of an OIDC token (RRSA), or of a profile.

The library only asks; when to ask is decided in `keys`. Its own cache hands out expired keys, its
own scheduler starts a thread for each provider, and its log lines repeat whole answers, so each
renewal makes a provider of its own, without scheduler, and the log lines are off (source:
alibabacloud-credentials 1.0.12, `provider/refreshable.py`).
"""

import logging
import re
from collections.abc import Callable
from configparser import Error as IniError
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bot.adapters.oss.keys import AccessKey
from bot.core.errors import StoreError, StoreKeyRefused, StoreUnavailable

_NOISY: Final = ("credentials", "alibabacloud-tea", "apscheduler")
_STATUS: Final = re.compile(r"(?i)http_?code[:=] ?(\d{3})")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleKeys:
    """Asks for keys. Everything but the kind may be left to the library's `ALIBABA_CLOUD_…`
    variables. Thread-safe.
    """

    kind: str
    """As `oss.credentials` has it, which are the library's names: "ecs_ram_role", "oidc_role_arn"
    or "profile".
    """
    role_name: str | None = None
    """Of the ECS instance; without it the metadata service is asked."""
    profile: str | None = None
    """In the library's file of profiles, `~/.alibabacloud/credentials.ini`."""
    lifetime: timedelta = timedelta(hours=1)
    """Asked for with an OIDC token; the role's "maximum session duration" bounds it."""

    def fetch(self) -> AccessKey:
        """Ask for a new key; blocks for 10 s at most while nothing comes.

        Raises:
            StoreKeyRefused: the library is not installed, its settings are wrong, or there is no
                such role.
            StoreUnavailable: there is no answer, or an unreadable one.
        """
        library = _library()
        try:
            provider = self._provider(library)
        except ValueError as error:  # A variable is missing; the text names it.
            raise self._refused(str(error)) from None
        try:
            return _readable(provider.get_credentials())
        except OSError as error:
            if error.filename:
                raise self._refused(f"cannot read {error.filename}: {error.strerror}") from None
            raise self._unavailable(type(error).__name__) from None
        except IniError as error:
            raise self._refused(f"the profiles cannot be read: {type(error).__name__}") from None
        except library.errors as error:
            raise self._translated(error) from None

    def _provider(self, library: "_Library") -> Any:
        """Make what is asked: an object with `get_credentials`."""
        if self.kind == "ecs_ram_role":
            return library.ecs(self.role_name)
        if self.kind == "oidc_role_arn":
            return library.oidc(int(self.lifetime.total_seconds()))
        return library.profile(self.profile)

    def _translated(self, error: Exception) -> StoreError:
        """Translate what the library raised; its text may repeat an answer, with a key in it."""
        found = _STATUS.search(str(error))
        if found is None:
            if self.kind == "profile" and type(error).__name__ == "CredentialException":
                return self._refused("there is no such profile, or of a type that is not known")
            return self._unavailable(type(error).__name__)
        status = int(found[1])
        if 400 <= status < 500 and status not in {408, 429}:
            return self._refused(f"HTTP {status}; check the role and who may assume it")
        return self._unavailable(f"HTTP {status}")

    def _refused(self, why: str) -> StoreKeyRefused:
        return StoreKeyRefused(f'no access key from oss.credentials = "{self.kind}": {why}')

    def _unavailable(self, why: str) -> StoreUnavailable:
        return StoreUnavailable(f'no access key from oss.credentials = "{self.kind}": {why}')


def _readable(found: Any) -> AccessKey:
    """Take the library's key apart.

    Raises:
        TypeError: it is not whole.
    """
    token, expiration = found.get_security_token(), found.get_expiration()
    key_id, secret = found.get_access_key_id(), found.get_access_key_secret()
    if not (key_id and secret) or (token and not expiration):
        raise TypeError("a key that is not whole")
    expires_at = datetime.fromtimestamp(expiration, UTC) if token else None
    return AccessKey(
        access_key_id=key_id,
        access_key_secret=secret,
        security_token=token or None,
        expires_at=expires_at,
    )


@dataclass(frozen=True, slots=True)
class _Library:
    """The library's pieces; `errors` is what asking raises besides `OSError`: it reads answers
    unchecked, and its own class for a connection that breaks is no `OSError`.
    """

    ecs: Callable[[str | None], Any]
    oidc: Callable[[int], Any]
    profile: Callable[[str | None], Any]
    errors: tuple[type[Exception], ...]


def _library() -> _Library:
    """Import the library, which takes a third of a second, and silence it.

    Raises:
        StoreKeyRefused: it is not installed.
    """
    try:
        from alibabacloud_credentials import provider
        from alibabacloud_credentials.exceptions import CredentialException
        from Tea.exceptions import RetryError, TeaException
    except ImportError:
        raise StoreKeyRefused(
            "oss.credentials: needs the extra of that name: file-relay-bot[credentials]"
        ) from None
    for name in _NOISY:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.setLevel(logging.CRITICAL + 1)

    def ecs(role_name: str | None) -> Any:
        make: Any = provider.EcsRamRoleCredentialsProvider
        return make(role_name=role_name, async_update_enabled=False)

    profile_class: Any = _profile_class(provider, ecs)

    def profile(name: str | None) -> Any:
        return profile_class(profile_name=name)

    return _Library(
        ecs=ecs,
        oidc=lambda seconds: provider.OIDCRoleArnCredentialsProvider(duration_seconds=seconds),
        profile=profile,
        errors=(
            CredentialException,
            RetryError,
            TeaException,
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
        ),
    )


def _profile_class(provider: Any, ecs: Callable[[str | None], Any]) -> type:
    """Return the library's class for profiles, with what it lacks."""

    class Profile(provider.ProfileCredentialsProvider):  # type: ignore[misc] # not typed.
        """Returns the key with its end, which the library's own class drops."""

        inner: Any = None

        def _get_credentials_provider(self, section: dict[str, str]) -> Any:
            is_ecs = section.get("type") == "ecs_ram_role"
            make = super()._get_credentials_provider
            self.inner = ecs(section.get("role_name")) if is_ecs else make(section)
            return self.inner

        def get_credentials(self) -> Any:
            super().get_credentials()
            return self.inner.get_credentials()

    return Profile
