"""Methods by which the bot receives: updates, webhook, files, callback queries, its session."""

from typing import Any, Final

from bot.sandbox.telegram.errors import QUERY_TOO_OLD, WEBHOOK_ACTIVE, bad_request, conflict
from bot.sandbox.telegram.files import CLOUD_LIMIT
from bot.sandbox.telegram.methods.method import Described, Method
from bot.sandbox.telegram.model import CALLBACK_LIFETIME, CallbackAnswer
from bot.sandbox.telegram.params import Params
from bot.sandbox.telegram.world import World

ANSWER_LIMIT: Final = 200
"""Characters (source: Bot API, "answerCallbackQuery")."""


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


async def get_file(world: World, params: Params) -> Any:
    """`getFile`. In the cloud at most 20 MiB, by announced and by real size; a local server takes
    any size, answers when the file is on its disk, with an absolute path.
    """
    file_id = params.text("file_id")
    if not file_id:
        raise bad_request("file_id not specified")
    stored = world.files.find(file_id)
    if stored is None:
        raise bad_request("invalid file_id")
    if not stored.source.is_file():
        raise bad_request("wrong file_id or the file is temporarily unavailable")
    if world.local is not None:
        return stored.file_json(str(await world.local.fetch(stored)))
    if max(stored.announced or 0, stored.size) > CLOUD_LIMIT:
        raise bad_request("file is too big")
    return stored.file_json(world.files.open_path(stored))


async def answer_callback_query(world: World, params: Params) -> Any:
    """`answerCallbackQuery`; the first answer counts."""
    query = world.queries.get(params.text("callback_query_id"))
    if query is None or world.clock.now() - query.at > CALLBACK_LIFETIME:
        raise bad_request(QUERY_TOO_OLD)
    text = params.text("text")
    if len(text) > ANSWER_LIMIT:
        raise bad_request("MESSAGE_TOO_LONG")
    if query.answer is None:
        query.answer = CallbackAnswer(text, params.flag("show_alert"), params.text("url") or None)
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
    "getFile": get_file,
    "answerCallbackQuery": answer_callback_query,
}
