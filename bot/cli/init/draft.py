"""What has been answered so far."""

from dataclasses import dataclass, field
from typing import Final

_UNANSWERED: Final = {
    "RELAY_TELEGRAM__TOKEN": "1:not-answered-yet",
    "RELAY_OSS__BUCKET": "not-answered-yet",
    "RELAY_OSS__ACCESS_KEY_ID": "not-answered-yet",
    "RELAY_OSS__ACCESS_KEY_SECRET": "not-answered-yet",
}
"""So that one answer can be checked before the others are there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Answers as texts; "" is one that was not given, or where the default counts."""

    token: str = field(default="", repr=False)
    base_url: str = ""
    access_key_id: str = ""
    access_key_secret: str = field(default="", repr=False)
    region: str = ""
    endpoint: str = ""
    bucket: str = ""
    mode: str = ""
    admins: tuple[int, ...] = ()

    def values(self) -> dict[str, str | list[int]]:
        """Return what was answered, by the dotted keys of the settings."""
        texts = {
            "telegram.token": self.token,
            "telegram.base_url": self.base_url,
            "oss.bucket": self.bucket,
            "oss.region": self.region,
            "oss.endpoint": self.endpoint,
            "oss.access_key_id": self.access_key_id,
            "oss.access_key_secret": self.access_key_secret,
            "link.mode": self.mode,
        }
        given: dict[str, str | list[int]] = {key: text for key, text in texts.items() if text}
        # Admins may do what users may; the users of the example are nobody's.
        return given | {"access.users": [], "access.admins": list(self.admins)}

    def variables(self) -> dict[str, str]:
        """Return the same as variables of the environment, with place-holders for the rest."""
        given = {
            f"RELAY_{key.upper().replace('.', '__')}": value
            if isinstance(value, str)
            else ",".join(map(str, value))
            for key, value in self.values().items()
        }
        return _UNANSWERED | given
