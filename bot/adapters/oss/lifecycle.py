"""Our rule among the lifecycle rules of a bucket: found, merged, taken back.

PutBucketLifecycle replaces every rule, so ours goes into the document as it came. Rules of others
are kept as XML and never read into objects, because what a reader does not know would be lost.
Source: OSS API reference, "PutBucketLifecycle".
"""

from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element, ParseError, SubElement, fromstring, tostring

from bot.core.errors import StoreRefused

ROOT: Final = "LifecycleConfiguration"
DAYS: Final = "1"
"""The shortest period there is. An object lives 24 to 72 hours under such a rule, so the rule is a
net below the bot and never what keeps the promise (source: OSS documentation, "Lifecycle rules
based on the last modified time").
"""


def rule_id(prefix: str) -> str:
    """Return the name of our rule for a prefix; what is named so is ours."""
    return f"file-relay-bot:{prefix}"


@dataclass(frozen=True, slots=True)
class RuleCoverage:
    """What the enabled rules of a bucket do below a prefix within a day."""

    expires: bool
    aborts: bool


def merge_rule(document: bytes | None, prefix: str, *, versioned: bool) -> bytes | None:
    """Return the document with our rule in it, or `None` where it is there already, as it must be.

    In a bucket with versions the rule also removes what our deletions leave behind. Raises
    `StoreRefused` if the document cannot be read.
    """
    tree = _read(document)
    ours = _make_rule(prefix, versioned=versioned)
    found = _ours(tree, prefix)
    if len(found) == 1 and _meaning(found[0]) == _meaning(ours):
        return None
    for rule in found:
        tree.remove(rule)
    tree.append(ours)
    return _write(tree)


def remove_rule(document: bytes | None, prefix: str) -> bytes | None:
    """Return the document without our rule, b"" if no rule is left, `None` if ours was not there.

    Raises `StoreRefused` if the document cannot be read.
    """
    tree = _read(document)
    found = _ours(tree, prefix)
    if not found:
        return None
    for rule in found:
        tree.remove(rule)
    return _write(tree) if tree.findall("Rule") else b""


def has_foreign_rules(document: bytes | None, prefix: str) -> bool:
    """Say whether there are rules of others."""
    tree = _read(document)
    return len(tree.findall("Rule")) > len(_ours(tree, prefix))


def net_below(document: bytes | None, prefix: str) -> RuleCoverage:
    """Return what happens to everything below `prefix`, by whosever rule."""
    covering = [rule for rule in _read(document).findall("Rule") if _covers(rule, prefix)]
    return RuleCoverage(
        expires=any(rule.findtext("Expiration/Days") == DAYS for rule in covering),
        aborts=any(rule.findtext("AbortMultipartUpload/Days") == DAYS for rule in covering),
    )


def _covers(rule: Element, prefix: str) -> bool:
    is_narrow = rule.find("Tag") is not None or rule.find("Filter") is not None
    enabled = rule.findtext("Status") == "Enabled"
    return enabled and not is_narrow and prefix.startswith(rule.findtext("Prefix") or "")


def _read(document: bytes | None) -> Element:
    if document is None:
        return Element(ROOT)
    try:
        return fromstring(document)  # noqa: S314 - OSS's own answer over a signed connection.
    except ParseError as error:
        raise StoreRefused("the lifecycle rules of the bucket cannot be read") from error


def _write(tree: Element) -> bytes:
    return b'<?xml version="1.0" encoding="UTF-8"?>' + tostring(tree)


def _ours(tree: Element, prefix: str) -> list[Element]:
    return [rule for rule in tree.findall("Rule") if rule.findtext("ID") == rule_id(prefix)]


def _make_rule(prefix: str, *, versioned: bool) -> Element:
    rule = Element("Rule")
    for name, text in (("ID", rule_id(prefix)), ("Prefix", prefix), ("Status", "Enabled")):
        SubElement(rule, name).text = text
    SubElement(SubElement(rule, "Expiration"), "Days").text = DAYS
    SubElement(SubElement(rule, "AbortMultipartUpload"), "Days").text = DAYS
    if versioned:
        noncurrent = SubElement(rule, "NoncurrentVersionExpiration")
        SubElement(noncurrent, "NoncurrentDays").text = DAYS
    return rule


def _meaning(rule: Element) -> dict[str, str]:
    """What a rule says, whatever the order in which it says it."""
    said: dict[str, str] = {}
    for child in rule:
        for leaf in [child] if not len(child) else child:
            said[f"{child.tag}/{leaf.tag}"] = (leaf.text or "").strip()
    return said
