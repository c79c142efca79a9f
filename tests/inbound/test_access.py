"""Access rights; closed by default."""

from datetime import timedelta

import pytest

from bot.adapters.ledger.chats import SqlChats
from bot.adapters.ledger.database import Database
from bot.inbound import access as module
from bot.inbound.access import STRANGER_EVERY, Access, Admission
from tests.fakes.samples import NOW, make_origin

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


def test_stranger_is_told_once_an_hour(access: Access) -> None:
    """The hour begins when the stranger was told."""
    moments = [NOW, NOW + STRANGER_EVERY - timedelta(microseconds=1), NOW + STRANGER_EVERY]

    assert [access.should_tell_stranger(STRANGER, at) for at in moments] == [True, False, True]


def test_crowd_of_strangers_costs_no_memory(
    access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stranger who was told longest ago is forgotten, and told once more."""
    monkeypatch.setattr(module, "MOST_STRANGERS", 3)
    for user_id in (1, 2, 3, 4):
        access.should_tell_stranger(user_id, NOW)

    assert [access.should_tell_stranger(user_id, NOW) for user_id in (4, 3, 2)] == [False] * 3
    assert access.should_tell_stranger(1, NOW)
