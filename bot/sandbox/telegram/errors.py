"""Error answers of the Bot API server: one exception with the texts of the real server.

Texts are those of github tdlib/telegram-bot-api (`Client.cpp`, `Query.cpp`) and of tdlib/td.
"""

from typing import Any, Final

NOT_MODIFIED: Final = (
    "message is not modified: specified new message content and reply markup are exactly the same"
    " as a current content and reply markup of the message"
)
QUERY_TOO_OLD: Final = "query is too old and response timeout expired or query ID is invalid"
OTHER_POLL: Final = (
    "terminated by other getUpdates request; make sure that only one bot instance is running"
)
WEBHOOK_ACTIVE: Final = (
    "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook"
    " first"
)

TOPIC_CLOSED: Final = "TOPIC_CLOSED"
"""Also for General, which a request names by no thread id (source: tdesktop issue 30476)."""
MARKUP_TOO_LONG: Final = "reply markup is too long"
"""What the server makes of REPLY_MARKUP_TOO_LONG (source: `Client.cpp`)."""
REPLY_NOT_FOUND: Final = "message to be replied not found"
ENTITIES: Final = "can't parse entities: Can't find end of the entity starting at byte offset 0"


class ApiError(Exception):
    """An answer with `ok` false: HTTP status, full description, and `parameters` of
    the envelope.
    """

    def __init__(
        self, status: int, description: str, parameters: dict[str, Any] | None = None
    ) -> None:
        super().__init__(description)
        self.status = status
        self.description = description
        self.parameters = parameters or {}


def lower_first(text: str) -> str:
    """Lower-case the first letter unless the second character is upper-case or `_` (as
    `Client.cpp` does, so `BUTTON_DATA_INVALID` stays).
    """
    if len(text) > 1 and (text[1].isupper() or text[1] == "_"):
        return text
    return text[:1].lower() + text[1:]


def bad_request(text: str, **parameters: Any) -> ApiError:
    """Return a 400."""
    return ApiError(400, f"Bad Request: {lower_first(text)}", parameters)


def forbidden(text: str) -> ApiError:
    """Return a 403."""
    return ApiError(403, f"Forbidden: {lower_first(text)}")


def conflict(text: str) -> ApiError:
    """Return a 409."""
    return ApiError(409, f"Conflict: {text}")


def too_many_requests(seconds: int) -> ApiError:
    """Return a 429 that asks for a pause of whole `seconds`."""
    return ApiError(429, f"Too Many Requests: retry after {seconds}", {"retry_after": seconds})


def unauthorized() -> ApiError:
    """Return the 401 for an unknown token."""
    return ApiError(401, "Unauthorized")


def malformed_token() -> ApiError:
    """Return the 401 for something that cannot be a token."""
    return ApiError(401, "Unauthorized: invalid token specified")


def restarting() -> ApiError:
    """Return the 500 of a server that is closing."""
    return ApiError(500, "Internal Server Error: restart")


def not_found() -> ApiError:
    """Return the 404 for an unknown path."""
    return ApiError(404, "Not Found")


def missing(what: str) -> ApiError:
    """Return the 501 for a feature that this stand-in lacks."""
    return ApiError(501, f"Not Implemented: the stand-in has no {what}")
