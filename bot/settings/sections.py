"""The smaller sections of the settings, one frozen model per concern. What a setting costs stands
in `settings.example.toml`, the manual of them all.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ValidationInfo, field_validator

from bot.core.links import LinkMode
from bot.settings import types
from bot.settings.section import Section
from bot.settings.types import Allowed, Contradiction


class LinkSettings(Section):
    """How a link looks and how long it lives."""

    mode: Annotated[LinkMode, Allowed('"signed" or "public"')] = LinkMode.SIGNED
    lifetime: types.Lifetime = timedelta(hours=23, minutes=55)
    domain: types.WebOrigin | None = None


class TransferSettings(Section):
    """How much happens at once. `minimum_rate` is bytes per second."""

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
    """Where files wait between the two halves, in bytes at most `quota`; `keep_free` stays
    unused on that disk.
    """

    folder: types.LocalPath = Path("spool")
    quota: types.Size = 10 << 30
    keep_free: types.SizeOrNone = 1 << 30


class LedgerSettings(Section):
    """The file that knows every job and every deadline."""

    path: types.LocalPath = Path("relay.sqlite3")


class AccessSettings(Section):
    """Who may use the bot, by numeric id of users and groups."""

    users: types.UserIds = ()
    admins: types.UserIds = ()
    groups: types.GroupIds = ()

    @property
    def everybody(self) -> frozenset[int]:
        """Users and admins together: admins may do what users do."""
        return frozenset(self.users) | frozenset(self.admins)


class LogSettings(Section):
    """What is logged, and in which shape."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Allowed('"debug", "info", "warning" or "error"'),
    ] = "info"
    format: Annotated[Literal["auto", "pretty", "json"], Allowed('"auto", "pretty" or "json"')] = (
        "auto"
    )


class StopSettings(Section):
    """How the bot ends."""

    grace: types.Grace = timedelta(seconds=20)
