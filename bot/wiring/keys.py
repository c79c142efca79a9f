"""The access key that the settings describe, hidden from the log."""

from bot.adapters.oss.keys import AccessKey, Fetch, environment_key
from bot.adapters.oss.role_keys import RoleKeys
from bot.logs import hide
from bot.settings import Settings


def access_key(settings: Settings) -> AccessKey | Fetch:
    """Return the key that the settings give, or what gives keys.

    Raises:
        StoreKeyRefused: the SDK's environment variables are to be read, and not set.
    """
    given = settings.oss
    if given.access_key_id is not None and given.access_key_secret is not None:
        return AccessKey(
            access_key_id=given.access_key_id.get_secret_value(),
            access_key_secret=given.access_key_secret.get_secret_value(),
        )
    if given.credentials in ("access_key", "environment"):
        key = environment_key(given.token_expires_at)
        hide(_secrets_of(key))
        return key
    return hidden(
        RoleKeys(
            kind=given.credentials,
            role_name=given.role_name,
            profile=given.profile,
            lifetime=given.token_lifetime,
        ).fetch
    )


def hidden(fetch: Fetch) -> Fetch:
    """Return a `fetch` whose keys no log shows."""

    def fetch_hidden() -> AccessKey:
        key = fetch()
        hide(_secrets_of(key))
        return key

    return fetch_hidden


def _secrets_of(key: AccessKey) -> list[str]:
    """Return what must not show in a log."""
    return [key.access_key_secret, *([key.security_token] if key.security_token else [])]
