"""A look at the bucket with the eyes of a stranger."""

import secrets
from collections.abc import Iterator
from http import HTTPStatus

from bot.adapters.oss.client import OssConnection
from bot.adapters.oss.errors import translated
from bot.core.links import SAFE_CONTENT_TYPE
from bot.core.ports.store import ObjectMeta, ObjectStore


class BucketExposed(Exception):
    """Strangers can read objects that are private: a bucket policy, or a bucket of another kind,
    opens them.
    """


def anonymous_status(connection: OssConnection, key: str) -> int:
    """Return the HTTP status that anybody gets who asks for `key` without a signature. Blocks.

    200 means readable, 403 refused; 404 means that a stranger may ask, and that there is no such
    object: it is said of a public-read bucket, whose objects may be private all the same.

    Raises:
        StoreUnavailable: no answer came.
    """
    limits = connection.limits
    with (
        translated(connection.address.public_host),
        connection.session.get(
            connection.address.object_url(key),
            timeout=(limits.connect_timeout, limits.answer_timeout),
            allow_redirects=False,
            stream=True,  # The status is enough; an object is not fetched.
        ) as answer,
    ):
        return answer.status_code


def assert_private(connection: OssConnection, store: ObjectStore, prefix: str) -> None:
    """Store a private object below `prefix`, ask for it as a stranger, delete it. Blocks.

    Raises:
        BucketExposed: the stranger got it.
        StoreError: it could not be stored or asked for.
    """
    key = f"{prefix}probe-{secrets.token_urlsafe(16)}"
    meta = ObjectMeta(SAFE_CONTENT_TYPE, "attachment", public=False)
    store.put_object(key, _Probe(), meta)
    try:
        status = anonymous_status(connection, key)
    finally:
        store.delete([key])
    if status == HTTPStatus.OK:
        raise BucketExposed(
            f"anybody can read private objects of the bucket {connection.address.bucket};"
            " a bucket policy must be opening them"
        )


def anonymous_listing_possible(connection: OssConnection) -> bool:
    """Say whether a stranger can list the bucket. Blocks.

    Raises:
        StoreUnavailable: no answer came.
    """
    limits = connection.limits
    with (
        translated(connection.address.public_host),
        connection.session.get(
            connection.address.object_url(""),
            params={"list-type": "2", "max-keys": "1"},
            timeout=(limits.connect_timeout, limits.answer_timeout),
            allow_redirects=False,
        ) as answer,
    ):
        return answer.status_code == HTTPStatus.OK


class AnonymousAccess:
    """What a stranger can do with a bucket; asks by requests without a signature."""

    def __init__(self, connection: OssConnection, store: ObjectStore, prefix: str) -> None:
        self._connection = connection
        self._store = store
        self._prefix = prefix

    def listing_possible(self) -> bool:
        """Whether an unsigned request can list the bucket. Blocks; raises `StoreError`."""
        return anonymous_listing_possible(self._connection)

    def reading_possible(self) -> bool:
        """Whether an unsigned request can read a private object. Blocks; raises `StoreError`."""
        try:
            assert_private(self._connection, self._store, self._prefix)
        except BucketExposed:
            return True
        return False


class _Probe:
    """A body of one byte."""

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[bytes]:
        yield b"?"
