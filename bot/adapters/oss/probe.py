"""A look at the bucket with the eyes of a stranger."""

from http import HTTPStatus

from bot.adapters.oss.client import OssConnection
from bot.adapters.oss.errors import translated


def anonymous_status(connection: OssConnection, key: str) -> int:
    """Return the HTTP status that anybody gets who asks for `key` without a signature. Blocks.

    200 means readable, 403 refused; 404 means that a stranger may ask, and that there is no such
    object: it is said of a public-read bucket, whose objects may be private all the same.

    Raises:
        StoreUnavailable: no answer came.
    """
    limits = connection.limits
    with (
        translated(),
        connection.session.get(
            connection.address.object_url(key),
            timeout=(limits.connect_timeout, limits.answer_timeout),
            allow_redirects=False,
            stream=True,  # The status is enough; an object is not fetched.
        ) as answer,
    ):
        return answer.status_code


def anonymous_read_possible(connection: OssConnection, key: str) -> bool:
    """Say whether a stranger can read the object `key`, which must exist. Blocks.

    Raises `StoreUnavailable`.
    """
    return anonymous_status(connection, key) == HTTPStatus.OK
