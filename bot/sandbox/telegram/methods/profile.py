"""Methods by which the bot describes itself: `getMe`, commands, texts, menu button."""

import re
from functools import partial
from typing import Any, Final

from bot.sandbox.telegram.errors import bad_request
from bot.sandbox.telegram.methods.method import Method
from bot.sandbox.telegram.params import Params
from bot.sandbox.telegram.world import World

COMMAND: Final = re.compile(r"^[a-z0-9_]{1,32}$")
SCOPES: Final = frozenset(
    {
        "default", "all_private_chats", "all_group_chats", "all_chat_administrators", "chat",
        "chat_administrators", "chat_member",
    }
)  # fmt: skip
LIMITS: Final = {"name": 64, "description": 512, "short_description": 120}
"""Characters (source: Bot API, "setMyName", "setMyDescription", "setMyShortDescription")."""


async def get_me(world: World, params: Params) -> Any:  # noqa: ARG001 (methods share a shape.)
    """`getMe`."""
    return {
        **world.bot.json(),
        "can_join_groups": True,
        "can_read_all_group_messages": world.privacy.reads_all,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
    }


async def set_commands(world: World, params: Params) -> Any:
    """`setMyCommands`; an empty list removes them."""
    key = _scope(params)
    commands = [_command(item) for item in params.items("commands", "bot commands")]
    if len(commands) > 100:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    world.profile.commands[key] = commands
    return True


async def get_commands(world: World, params: Params) -> Any:
    """`getMyCommands`."""
    return world.profile.commands.get(_scope(params), [])


async def delete_commands(world: World, params: Params) -> Any:
    """`deleteMyCommands`."""
    world.profile.commands.pop(_scope(params), None)
    return True


async def set_text(world: World, params: Params, *, kind: str) -> Any:
    """`setMyName` and its siblings."""
    text = params.text(kind)
    if len(text) > LIMITS[kind]:
        raise bad_request(f"{kind.replace('_', ' ')} is too long")
    world.profile.texts[kind, params.text("language_code")] = text
    return True


async def get_text(world: World, params: Params, *, kind: str) -> Any:
    """`getMyName` and its siblings; without one of the language, the general text."""
    texts = world.profile.texts
    general = texts.get((kind, ""), world.bot.first_name if kind == "name" else "")
    return {kind: texts.get((kind, params.text("language_code")), general)}


async def set_menu_button(world: World, params: Params) -> Any:
    """`setChatMenuButton`."""
    button = params.mapping("menu_button", "menu button")
    world.profile.menu_buttons[params.integer("chat_id")] = button or {"type": "default"}
    return True


async def get_menu_button(world: World, params: Params) -> Any:
    """`getChatMenuButton`."""
    return world.profile.menu_buttons.get(params.integer("chat_id"), {"type": "commands"})


def _scope(params: Params) -> tuple[str, str]:
    scope = params.mapping("scope", "BotCommandScope") or {"type": "default"}
    kind = scope.get("type")
    if kind not in SCOPES:
        raise bad_request("can't parse BotCommandScope: Unsupported type specified")
    ids = [str(scope[name]) for name in ("chat_id", "user_id") if name in scope]
    return ":".join([str(kind), *ids]), params.text("language_code")


def _command(item: Any) -> dict[str, str]:
    if not isinstance(item, dict):
        raise bad_request("expected an Object of type BotCommand")
    command = str(item.get("command", "")).removeprefix("/").lower()
    description = str(item.get("description", "")).strip()
    if not COMMAND.match(command):
        raise bad_request("BOT_COMMAND_INVALID")
    if not description:
        raise bad_request("command description must be non-empty")
    if len(description) > 256:
        raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
    return {"command": command, "description": description}


METHODS: Final[dict[str, Method]] = {
    "getMe": get_me,
    "setMyCommands": set_commands,
    "getMyCommands": get_commands,
    "deleteMyCommands": delete_commands,
    "setMyName": partial(set_text, kind="name"),
    "getMyName": partial(get_text, kind="name"),
    "setMyDescription": partial(set_text, kind="description"),
    "getMyDescription": partial(get_text, kind="description"),
    "setMyShortDescription": partial(set_text, kind="short_description"),
    "getMyShortDescription": partial(get_text, kind="short_description"),
    "setChatMenuButton": set_menu_button,
    "getChatMenuButton": get_menu_button,
}
