"""Lifecycle rules: parse a configuration, compute when an object or upload is due.

A rule is loaded within 24 hours after it was put. It runs daily from 08:00 UTC+8 for what is old
enough at that moment, and may need until the next morning. So an object with a rule of one day
lives 24 to 72 hours. Source: OSS documentation, "Lifecycle rules based on the last modified time".
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl
from xml.etree.ElementTree import Element, tostring

from bot.sandbox.oss.errors import OssError, invalid_argument, malformed_xml
from bot.sandbox.oss.lifecycle_conflicts import check_conflicts
from bot.sandbox.oss.xml import parse

MAX_RULES = 1000
LOADED_WITHIN = timedelta(hours=24)
RUN_AT = timedelta(0)
"""08:00 in UTC+8 is midnight in UTC."""


@dataclass(frozen=True)
class AgeOrDate:
    """When something is due: a number of days after its creation, or on a date."""

    days: int | None = None
    date: datetime | None = None
    created_before: datetime | None = None

    def is_old_at(self, created_at: datetime) -> datetime | None:
        """Return the moment from which something created then counts as old, `None` for never."""
        if self.days is not None:
            return created_at + timedelta(days=self.days)
        if self.created_before is not None:
            return self.created_before if created_at < self.created_before else None
        return self.date


@dataclass(frozen=True)
class LifecycleRule:
    """One enabled rule; `expiration` is for objects, `abort` for multipart uploads."""

    prefix: str
    expiration: AgeOrDate | None
    abort: AgeOrDate | None
    tags: Mapping[str, str] = field(default_factory=dict)

    def covers(self, key: str, tagging: str = "") -> bool:
        """Return whether the rule applies to a key with these tags (as in the header)."""
        tags = dict(parse_qsl(tagging, keep_blank_values=True))
        return key.startswith(self.prefix) and all(
            tags.get(name) == value for name, value in self.tags.items()
        )


@dataclass(frozen=True)
class Lifecycle:
    """A configuration as the client put it, its enabled rules, and when it was put."""

    document: bytes
    rules: tuple[LifecycleRule, ...]
    put_at: datetime

    def run_at(self, limit: AgeOrDate, created_at: datetime) -> datetime | None:
        """Return the start of the daily run that deletes something created then."""
        old_at = limit.is_old_at(created_at)
        if old_at is None:
            return None
        return _next_run(max(old_at, self.put_at + LOADED_WITHIN))


def _next_run(moment: datetime) -> datetime:
    day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + RUN_AT
    return day if day >= moment else day + timedelta(days=1)


def parse_lifecycle(body: bytes, now: datetime, *, allows_same_action: bool = False) -> Lifecycle:
    """Read a configuration; rules without an id get one. Rules with overlapping prefixes may have
    the same action only with `allows_same_action`.

    Raises:
        OssError: MalformedXML, InvalidArgument.
    """
    try:
        tree = parse(body, "LifecycleConfiguration")
        elements = tree.findall("Rule")
        rules = [(_rule(element), _status(element)) for element in elements]
    except ValueError as error:
        raise malformed_xml() from error
    if not 1 <= len(elements) <= MAX_RULES:
        raise malformed_xml()
    _name_rules(elements)
    check_conflicts(elements, allows_same_action=allows_same_action)
    document = b'<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(tree)
    return Lifecycle(document, tuple(rule for rule, enabled in rules if enabled), now)


def _status(element: Element) -> bool:
    status = element.findtext("Status")
    if status not in {"Enabled", "Disabled"}:
        raise ValueError("Status must be Enabled or Disabled")
    return status == "Enabled"


def _rule(element: Element) -> LifecycleRule:
    expiration, abort = element.find("Expiration"), element.find("AbortMultipartUpload")
    tags = {
        tag.findtext("Key") or "": tag.findtext("Value") or "" for tag in element.findall("Tag")
    }
    return LifecycleRule(
        element.findtext("Prefix") or "",
        None if expiration is None else _limit(expiration),
        None if abort is None else _limit(abort),
        tags,
    )


def _limit(element: Element) -> AgeOrDate:
    days = element.findtext("Days")
    if days is not None and not (days.isascii() and days.isdigit() and int(days) >= 1):
        raise invalid_argument("Days must be a positive integer.", "Days", days)
    limit = AgeOrDate(
        None if days is None else int(days),
        _date(element.findtext("Date")),
        _date(element.findtext("CreatedBeforeDate")),
    )
    if limit == AgeOrDate():
        raise ValueError("Days or a date is needed")
    return limit


def _date(text: str | None) -> datetime | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _name_rules(elements: list[Element]) -> None:
    seen: set[str] = set()
    for element in elements:
        name = element.find("ID")
        if name is None:
            name = Element("ID")
            element.insert(0, name)
        name.text = name.text or secrets.token_hex(16)
        if name.text in seen:
            message = "Rule ID must be unique. Found same ID for one or more rules."
            raise OssError(400, "InvalidArgument", message)
        seen.add(name.text)
