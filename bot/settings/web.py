"""The section `[web]`: the port for those who watch the bot, and for Telegram's webhook."""

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from bot.settings.section import Section
from bot.settings.types import Allowed


def _address(text: str) -> str:
    return str(ipaddress.ip_address(text))


def _number(value: object) -> object:
    # TOML's `true` is a Python int; nobody who writes it means 1.
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
    """Where the bot listens; without a port it does not."""

    host: Address = "127.0.0.1"
    port: Port | None = None
