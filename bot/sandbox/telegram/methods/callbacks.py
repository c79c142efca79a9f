"""`answerCallbackQuery`."""

from typing import Any, Final

from bot.sandbox.telegram.errors import QUERY_TOO_OLD, bad_request
from bot.sandbox.telegram.methods.method import Method
from bot.sandbox.telegram.params import Params
from bot.sandbox.telegram.queries import LIFETIME, QueryAnswer
from bot.sandbox.telegram.world import World

ANSWER_LIMIT: Final = 200
"""Characters (source: Bot API, "answerCallbackQuery")."""


async def answer_callback_query(world: World, params: Params) -> Any:
    """`answerCallbackQuery`; the first answer counts."""
    query = world.queries.get(params.text("callback_query_id"))
    if query is None or world.clock.now() - query.at > LIFETIME:
        raise bad_request(QUERY_TOO_OLD)
    text = params.text("text")
    if len(text) > ANSWER_LIMIT:
        raise bad_request("MESSAGE_TOO_LONG")
    if query.answer is None:
        query.answer = QueryAnswer(text, params.flag("show_alert"), params.text("url") or None)
    return True


METHODS: Final[dict[str, Method]] = {"answerCallbackQuery": answer_callback_query}
