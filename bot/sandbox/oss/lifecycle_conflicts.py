"""Rules of one lifecycle configuration that OSS does not accept beside each other.

Sources: the error pages 0014-00000085 (equal prefixes), 0014-00000084 and 0014-00000079 (the same
action, or a transition to the same class, on prefixes of which one begins with the other),
0014-00000082 (deleted before it changes its class); "PutBucketLifecycle" (the header that allows
the same action). Whether that header lifts the first and the last too, no page says: here it does
not.
"""

from itertools import combinations
from xml.etree.ElementTree import Element

from bot.sandbox.oss.errors import OssError

_DELETIONS = ("Expiration", "NoncurrentVersionExpiration", "AbortMultipartUpload")


def check_conflicts(rules: list[Element], *, allows_same_action: bool) -> None:
    """Refuse rules that conflict with another.

    Raises:
        OssError: InvalidArgument.
    """
    for one, other in combinations(rules, 2):
        prefixes = [_prefix(one), _prefix(other)]
        if prefixes[0] == prefixes[1]:
            raise _conflict("0014-00000085", "The same prefix is in more than one rule.")
        if not prefixes[0].startswith(prefixes[1]) and not prefixes[1].startswith(prefixes[0]):
            continue
        _check_order(one, other)
        if not allows_same_action:
            _check_actions(one, other)


def _prefix(rule: Element) -> str:
    return rule.findtext("Prefix") or ""


def _check_actions(one: Element, other: Element) -> None:
    if any(one.find(name) is not None and other.find(name) is not None for name in _DELETIONS):
        raise _conflict("0014-00000084", "Rules with overlapping prefixes have the same action.")
    if _classes(one) & _classes(other):
        message = "Rules with overlapping prefixes have the same transition."
        raise _conflict("0014-00000079", message)


def _classes(rule: Element) -> set[str]:
    return {entry.findtext("StorageClass") or "" for entry in rule.findall("Transition")}


def _check_order(one: Element, other: Element) -> None:
    """Refuse an expiration that is not later than a transition of an overlapping rule."""
    for deleting, changing in ((one, other), (other, one)):
        deleted = [_days(entry) for entry in deleting.findall("Expiration")]
        changed = [_days(entry) for entry in changing.findall("Transition")]
        if any(end and start and end <= start for end in deleted for start in changed):
            message = "Rules with overlapping prefixes delete before they change the class."
            raise _conflict("0014-00000082", message)


def _days(action: Element) -> int | None:
    text = action.findtext("Days") or ""
    return int(text) if text.isascii() and text.isdigit() else None


def _conflict(ec: str, message: str) -> OssError:
    return OssError(400, "InvalidArgument", message, ec)
