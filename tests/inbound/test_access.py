"""Access rights; closed by default."""

import pytest

from bot.adapters.ledger.database import Database
from bot.adapters.ledger.ledger import SqlChats
from bot.inbound.access import Access, Admission
from tests.fakes.samples import make_origin

USER, ADMIN, STRANGER = 100, 1, 900


@pytest.fixture
def access(database: Database) -> Access:
    """Return the rights of one user and one admin."""
    return Access(SqlChats(database), users={USER}, admins={ADMIN})


@pytest.mark.parametrize(
    ("user_id", "admission", "is_admin"),
    [
        (USER, Admission.WELCOME, False),
        (ADMIN, Admission.WELCOME, True),
        (STRANGER, Admission.STRANGER, False),
    ],
)
async def test_rights_go_by_id(
    access: Access, user_id: int, admission: Admission, *, is_admin: bool
) -> None:
    """Admins may use the bot too; a user who is not named may do nothing."""
    assert await access.admit(make_origin(user_id)) is admission
    assert access.is_admin(user_id) is is_admin


async def test_nobody_is_let_in_by_default(database: Database) -> None:
    """A bot without named users serves no one."""
    closed = Access(SqlChats(database), users=(), admins=())

    assert await closed.admit(make_origin(USER)) is Admission.STRANGER
    assert not closed.is_admin(USER)
