"""What is allowed but worth a second look: each line is logged at the start."""

from ipaddress import ip_address

from bot.core.links import LinkMode
from bot.settings.loading import Settings
from bot.settings.telegram import TelegramMode
from bot.settings.types import is_loopback


def warnings(settings: Settings) -> list[str]:
    """Return one line for each choice that an operator may not have meant; none stops the bot."""
    found = []
    if not settings.access.everybody:
        found.append(
            "access.users: is empty, so nobody may use the bot; write to it, it tells you your id"
        )
    if settings.link.mode is LinkMode.PUBLIC:
        found.append(
            'link.mode: with "public" only this bot ends links; while it is down they stay open'
        )
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
            f"web.host: whoever reaches {settings.web.host} can read /metrics and /readyz; only a"
            " network of your own may"
        )
    if settings.log.level == "debug":
        found.append('log.level: "debug" is for looking into a fault, and writes a lot')
    return found


def _is_local(settings: Settings) -> bool:
    # Files of a local server are read in place and need no room in the spool.
    return settings.telegram.mode is TelegramMode.LOCAL
