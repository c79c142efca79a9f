"""Methods about the way updates take, and about the session of the bot on this server."""

from typing import Any, Final

from bot.sandbox.telegram.errors import WEBHOOK_ACTIVE, conflict
from bot.sandbox.telegram.methods.method import Described, Method
from bot.sandbox.telegram.params import Params
from bot.sandbox.telegram.world import World


async def get_updates(world: World, params: Params) -> Any:
    """`getUpdates`."""
    if world.webhook.is_set:
        raise conflict(WEBHOOK_ACTIVE)
    _allow(world, params)
    return await world.updates.poll(
        params.integer("offset"), params.integer("limit", 100), params.integer("timeout")
    )


async def set_webhook(world: World, params: Params) -> Any:
    """`setWebhook`; an empty URL removes it."""
    if not params.text("url"):
        return await delete_webhook(world, params)
    _allow(world, params)
    changed = world.webhook.set(params)
    if params.flag("drop_pending_updates"):
        world.updates.clear()
    return Described(True, "Webhook was set" if changed else "Webhook is already set")  # noqa: FBT003 (the result is the Boolean true.)


async def delete_webhook(world: World, params: Params) -> Any:
    """`deleteWebhook`."""
    existed = world.webhook.remove()
    if params.flag("drop_pending_updates"):
        world.updates.clear()
    text = "Webhook was deleted" if existed else "Webhook is already deleted"
    return Described(True, text)  # noqa: FBT003 (the result is the Boolean true.)


async def get_webhook_info(world: World, params: Params) -> Any:  # noqa: ARG001 (methods share a shape.)
    """`getWebhookInfo`."""
    return world.webhook.info()


async def log_out(world: World, params: Params) -> Any:  # noqa: ARG001 (methods share a shape.)
    """`logOut`: from now on this server does not know the token."""
    world.logged_out = True
    return True


async def close(world: World, params: Params) -> Any:  # noqa: ARG001 (methods share a shape.)
    """`close`: the bot may move to another server; a poll that waits ends."""
    world.updates.close()
    return True


def _allow(world: World, params: Params) -> None:
    if params.values.get("allowed_updates") is not None:
        world.updates.allow(params.items("allowed_updates", "allowed updates"))


METHODS: Final[dict[str, Method]] = {
    "getUpdates": get_updates,
    "setWebhook": set_webhook,
    "deleteWebhook": delete_webhook,
    "getWebhookInfo": get_webhook_info,
    "logOut": log_out,
    "close": close,
}
