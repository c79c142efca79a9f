"""The course of an examination: what does not need the network first, what needs most last."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from bot.cli.doctor.doctor import Row, broken, ok, warning
from bot.cli.doctor.machine import examine_machine
from bot.cli.doctor.store import examine_store
from bot.cli.doctor.telegram import examine_telegram
from bot.clock import SystemClock
from bot.core.ports.clock import Clock
from bot.settings import Settings, SettingsError, load, warnings


async def examine(
    path: Path | None, environ: Mapping[str, str], *, clock: Clock | None = None
) -> list[Row]:
    """Examine everything that these settings name; without usable settings only them.

    Nothing is changed but for a test object below the bot's own prefix, which is deleted again.
    """
    try:
        settings = load(path, environ)
    except SettingsError as error:
        remedy = f"put it right in {path}" if path else "write a settings file: relay-bot init"
        return [broken("settings", "; ".join(error.problems), remedy)]
    clock = clock or SystemClock()
    telegram, store = await asyncio.gather(
        examine_telegram(settings, clock), examine_store(settings, clock)
    )
    machine = await examine_machine(settings, environ)
    return [_settings(settings), *telegram, *store, *machine]


def _settings(settings: Settings) -> Row:
    found = warnings(settings)
    if found:
        return warning("settings", "; ".join(found), "see settings.example.toml for each")
    return ok("settings", f"{settings.link.mode.value} links in {settings.oss.bucket}")
