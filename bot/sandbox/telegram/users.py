"""People and bots, and the roster of a group or channel."""

from dataclasses import dataclass
from typing import Any, Final

RIGHTS: Final = (
    "can_manage_chat", "can_delete_messages", "can_manage_video_chats", "can_restrict_members",
    "can_promote_members", "can_change_info", "can_invite_users", "can_post_stories",
    "can_edit_stories", "can_delete_stories", "can_send_welcome_messages",
)  # fmt: skip
GROUP_RIGHTS: Final = ("can_pin_messages", "can_manage_topics")
CHANNEL_RIGHTS: Final = ("can_post_messages", "can_edit_messages", "can_manage_direct_messages")

PERMISSIONS: Final = (
    "can_send_messages", "can_send_audios", "can_send_documents", "can_send_photos",
    "can_send_videos", "can_send_video_notes", "can_send_voice_notes", "can_send_polls",
    "can_send_other_messages", "can_add_web_page_previews", "can_react_to_messages",
    "can_edit_tag", "can_change_info", "can_invite_users", "can_pin_messages",
    "can_manage_topics",
)  # fmt: skip
"""What a restricted member may do."""

NEW_PERMISSIONS: Final = frozenset({"can_react_to_messages", "can_edit_tag"})
"""Permissions that servers before Bot API 10.0 leave out."""

PRESENT: Final = frozenset({"creator", "administrator", "member", "restricted"})
"""Statuses of members."""


@dataclass(frozen=True, slots=True)
class User:
    """A person or a bot. Two are the same when their ids are."""

    id: int
    first_name: str
    last_name: str | None = None
    username: str | None = None
    language_code: str | None = None
    is_bot: bool = False
    is_premium: bool = False

    @property
    def name(self) -> str:
        """Return the name that apps show."""
        return f"{self.first_name} {self.last_name}" if self.last_name else self.first_name

    def json(self) -> dict[str, Any]:
        """Return a `User`; field order as in `Client.cpp`, `JsonUser`."""
        fields: dict[str, Any] = {
            "id": self.id,
            "is_bot": self.is_bot,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "username": self.username,
            "language_code": self.language_code,
            "is_premium": self.is_premium or None,
        }
        return {name: value for name, value in fields.items() if value is not None}


ANONYMOUS_ADMIN: Final = User(1087968824, "Group", username="GroupAnonymousBot", is_bot=True)
"""Stands in `from` for an administrator who hides (source: `Client.cpp`)."""

CHANNEL_BOT: Final = User(136817688, "Channel", username="Channel_Bot", is_bot=True)
"""Stands in `from` for a person who writes as a channel (source: `Client.cpp`)."""

TELEGRAM: Final = User(777000, "Telegram")
"""Stands in `from` of posts forwarded from a linked channel (source: `Client.cpp`)."""


class Roster:
    """The members of a chat with their statuses and rights, the bot included."""

    def __init__(self, *, is_channel: bool) -> None:
        self._people: dict[int, User] = {}
        self._statuses: dict[int, str] = {}
        self._names = (*RIGHTS, *(CHANNEL_RIGHTS if is_channel else GROUP_RIGHTS))
        self._rights: dict[int, frozenset[str]] = {}
        self.left_out: frozenset[str] = frozenset()
        """Fields that `ChatMember` objects lack, as those of an older server."""

    def put(self, user: User, status: str, rights: frozenset[str] | None = None) -> None:
        """Set a status; without `rights` an administrator has all of them. For a restricted member
        they are permissions.
        """
        self._people[user.id] = user
        self._statuses[user.id] = status
        self._rights[user.id] = frozenset(self._names) if rights is None else rights

    def status(self, user: User) -> str:
        """Return the status; `left` for a person who was never here."""
        return self._statuses.get(user.id, "left")

    def is_present(self, user: User) -> bool:
        """Return whether a person is in the chat."""
        return self.status(user) in PRESENT

    def may(self, user: User, right: str) -> bool:
        """Return whether a person is an administrator with this right."""
        status = self.status(user)
        return status == "creator" or (
            status == "administrator" and right in self._rights[user.id]
        )

    def may_send(self, user: User) -> bool:
        """Return whether a restricted member may send texts."""
        return "can_send_messages" in self._rights[user.id]

    def __len__(self) -> int:
        return sum(self.is_present(user) for user in self._people.values())

    def administrators(self) -> list[dict[str, Any]]:
        """Return the `ChatMember` of every administrator."""
        chiefs = {"creator", "administrator"}
        return [self.json(u) for u in self._people.values() if self.status(u) in chiefs]

    def json(self, user: User) -> dict[str, Any]:
        """Return a `ChatMember`."""
        status = self.status(user)
        fields: dict[str, Any] = {"user": user.json(), "status": status}
        if status == "creator":
            fields["is_anonymous"] = False
        elif status == "administrator":
            granted = {name: name in self._rights[user.id] for name in self._names}
            fields |= {"can_be_edited": False, **granted, "is_anonymous": False}
        elif status == "restricted":
            granted = {name: name in self._rights[user.id] for name in PERMISSIONS}
            fields |= {"is_member": True, **granted, "until_date": 0}
        elif status == "kicked":
            fields["until_date"] = 0
        return {name: value for name, value in fields.items() if name not in self.left_out}
