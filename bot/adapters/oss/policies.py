"""Documents of a bucket: its policy, which names a RAM user, that of the RAM user, which names the
bucket (both as a person pastes them into the console), and our rule among its lifecycle rules.

PutBucketLifecycle replaces every rule, so ours is added to the present document. Other rules are
kept as XML and never parsed into objects, because elements unknown to a parser would be lost.

Sources: OSS documentation, "Bucket policy", "Block public access" and "RAM policy"; OSS API
reference, "PutBucketLifecycle"; the actions of each call are those of the API reference.
"""

import ipaddress
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from xml.etree.ElementTree import Element, ParseError, SubElement, fromstring, tostring

from bot.core.errors import StoreRefused

Statement = dict[str, Any]
Policy = dict[str, Any]

HTTPS_ONLY: Final[Statement] = {"Bool": {"acs:SecureTransport": ["true"]}}

READ_AND_WRITE: Final = (
    "oss:GetObject",
    "oss:PutObject",
    "oss:GetObjectAcl",
    "oss:PutObjectAcl",
    "oss:DeleteObject",
    "oss:AbortMultipartUpload",
    "oss:ListParts",
    "oss:RestoreObject",
    "oss:ListObjects",
    "oss:ListObjectVersions",
    "oss:GetObjectVersion",
    "oss:GetObjectVersionAcl",
    "oss:RestoreObjectVersion",
)
"""Actions that the console grants as "read/write"."""

RUN_OBJECTS: Final = (
    "oss:AbortMultipartUpload",
    "oss:DeleteObject",
    "oss:GetObject",
    "oss:ListParts",
    "oss:PutObject",
    "oss:PutObjectAcl",
)
"""Calls of `run`, `send` and `audit` on objects."""
RUN_BUCKET: Final = ("oss:ListMultipartUploads", "oss:ListObjects")
"""Their calls on the bucket."""
WORKER_BUCKET: Final = ("oss:ListMultipartUploads",)
"""Calls on the bucket of `run --role worker`, which relays, and deletes what is due."""
DOCTOR_BUCKET: Final = (
    "oss:GetBucketInfo",
    "oss:GetBucketLifecycle",
    "oss:GetBucketPolicy",
    "oss:GetBucketPolicyStatus",
    "oss:GetBucketPublicAccessBlock",
)
"""Calls of `doctor`, and of `setup` too."""
DOCTOR_ACCOUNT: Final = ("oss:GetPublicAccessBlock",)
SETUP_BUCKET: Final = (
    "oss:DeleteBucketLifecycle",
    "oss:DeleteBucketPolicy",
    "oss:PutBucket",
    "oss:PutBucketAcl",
    "oss:PutBucketLifecycle",
    "oss:PutBucketPolicy",
    "oss:PutBucketPublicAccessBlock",
)
"""Calls of `setup` alone; a separate key may have these."""


@dataclass(frozen=True, slots=True)
class PolicyGrant:
    """The users whom our statements grant access: RAM user ids, in the bucket `bucket` of the
    account `owner`.
    """

    bucket: str
    owner: str
    users: tuple[str, ...]


def bucket_statements(grant: PolicyGrant) -> list[Statement]:
    """Return our statements: read and write on the whole bucket, over https only."""
    where = f"acs:oss:*:{grant.owner}:{grant.bucket}"
    principals = list(grant.users)
    return [
        {
            "Effect": "Allow",
            "Principal": principals,
            "Action": list(READ_AND_WRITE),
            "Resource": [f"{where}/*"],
            "Condition": HTTPS_ONLY,
        },
        {
            "Effect": "Allow",
            "Principal": principals,
            "Action": ["oss:ListObjects", "oss:GetObject", "oss:ListMultipartUploads"],
            "Resource": [where],
            "Condition": {"StringLike": {"oss:Prefix": ["*"]}, **HTTPS_ONLY},
        },
    ]


def parse_policy(text: str | None) -> Policy:
    """Parse the policy of a bucket; an empty one if there is none.

    Raises:
        StoreRefused: it cannot be parsed, so an addition could lose parts of it.
    """
    if text is None:
        return {"Version": "1", "Statement": []}
    try:
        policy = json.loads(text)
        statements = policy["Statement"]
    except (ValueError, TypeError, KeyError) as error:
        raise StoreRefused("the policy of the bucket cannot be read") from error
    if not isinstance(statements, list):
        policy["Statement"] = [statements]
    return dict(policy)


_NAMING: Final = frozenset({"acs:SourceVpc", "acs:SourceVpcId", "acs:AccessId"})
"""Condition keys that confine a statement if no value has a wildcard."""
_LOCATING: Final = frozenset({"acs:SourceIp", "acs:SourceVpcIp"})
"""Condition keys that confine a statement to networks."""
_MATCHING: Final = frozenset({"StringEquals", "StringLike", "IpAddress"})
"""Operators that name whom a statement is for; others exclude some, and let everyone else in."""
_SHORTEST_PREFIX: Final = {4: 8, 6: 32}
"""Bits of a network; a wider one confines nothing."""


def is_public(statement: Mapping[str, Any]) -> bool:
    """Return whether a statement grants something to everyone: no principal is named in full, and
    no condition confines it. Its actions and resources do not count.
    """
    if statement.get("Effect") != "Allow":
        return False
    principals = _values(statement.get("Principal")) or ["*"]
    return any("*" in principal for principal in principals) and not _is_confined(statement)


def lacks_vpc(statement: Mapping[str, Any]) -> bool:
    """Return whether OSS refuses to store this statement anew: it names source addresses and no
    VPC (source: OSS documentation, 0030-00000008). Those stored before 2026 stay.
    """
    keys = {key for _, key, _ in _conditions(statement)}
    return "acs:SourceIp" in keys and "acs:SourceVpc" not in keys


def _is_confined(statement: Mapping[str, Any]) -> bool:
    for operator, key, values in _conditions(statement):
        if operator not in _MATCHING or not values:
            continue
        if key in _NAMING and not any("*" in value for value in values):
            return True
        if key in _LOCATING and all(map(_is_narrow, values)):
            return True
    return False


def _conditions(statement: Mapping[str, Any]) -> Iterator[tuple[str, str, list[str]]]:
    condition = statement.get("Condition")
    for operator, keys in (condition if isinstance(condition, dict) else {}).items():
        for key, values in (keys if isinstance(keys, dict) else {}).items():
            yield str(operator), str(key), _values(values)


def _values(value: object) -> list[str]:
    """Return the texts of a value that is one or many."""
    if value is None:
        return []
    return [str(item) for item in (value if isinstance(value, list) else [value])]


def _is_narrow(network: str) -> bool:
    try:
        parsed = ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
    return parsed.prefixlen >= _SHORTEST_PREFIX[parsed.version]


def is_ours(statement: Mapping[str, Any], bucket: str) -> bool:
    """Return whether a statement equals one of ours, for any user and account."""
    principals = statement.get("Principal")
    resources = statement.get("Resource")
    if not isinstance(principals, list) or not isinstance(resources, list) or not resources:
        return False
    owner = str(resources[0]).split(":")[3:4]
    ours = bucket_statements(PolicyGrant(bucket, "".join(owner), tuple(principals)))
    return dict(statement) in ours


def users_granted(policy: Policy, bucket: str) -> list[str]:
    """Return the RAM users of our statements, each once."""
    ours = [statement for statement in policy["Statement"] if is_ours(statement, bucket)]
    return list(dict.fromkeys(user for statement in ours for user in statement["Principal"]))


def merge_statements(policy: Policy, grant: PolicyGrant) -> Policy | None:
    """Return the policy with our statements after all others, or `None` if it has them."""
    present: Sequence[Statement] = policy["Statement"]
    missing = [ours for ours in bucket_statements(grant) if ours not in present]
    return {**policy, "Statement": [*present, *missing]} if missing else None


def remove_statements(policy: Policy, bucket: str) -> Policy | None:
    """Return the policy without our statements, or `None` if it has none of them."""
    present: Sequence[Statement] = policy["Statement"]
    others = [statement for statement in present if not is_ours(statement, bucket)]
    return {**policy, "Statement": others} if len(others) < len(present) else None


def ram_policy(bucket: str, prefix: str, *, setup: bool = False, secure: bool = True) -> Policy:
    """Return the smallest policy for a RAM user: to run and check the bot, with `setup` also to
    set the bucket up. `secure` allows it over https only.
    """
    where = f"acs:oss:*:*:{bucket}"
    condition = HTTPS_ONLY if secure else {}
    of_bucket = [*RUN_BUCKET, *DOCTOR_BUCKET, *(SETUP_BUCKET if setup else ())]
    return _allow(
        condition,
        (RUN_OBJECTS, f"{where}/{prefix}*"),
        (sorted(of_bucket), where),
        (DOCTOR_ACCOUNT, "acs:oss:*:*:*"),
    )


def worker_policy(bucket: str, prefix: str) -> Policy:
    """Return the smallest policy for the RAM user of workers, over https only."""
    where = f"acs:oss:*:*:{bucket}"
    return _allow(HTTPS_ONLY, (RUN_OBJECTS, f"{where}/{prefix}*"), (WORKER_BUCKET, where))


def _allow(condition: Statement, *parts: tuple[Sequence[str], str]) -> Policy:
    statements = [
        {"Effect": "Allow", "Action": list(actions), "Resource": [resource]}
        | ({"Condition": condition} if condition else {})
        for actions, resource in parts
    ]
    return {"Version": "1", "Statement": statements}


ROOT: Final = "LifecycleConfiguration"
DAYS: Final = "1"
"""The shortest period there is. An object lives 24 to 72 hours under such a rule, so the rule is a
fallback and never ends a link on time (source: OSS documentation, "Lifecycle rules based on the
last modified time").
"""


def rule_id(prefix: str) -> str:
    """Return the name of our rule for a prefix; a rule with this name is ours."""
    return f"file-relay-bot:{prefix}"


@dataclass(frozen=True, slots=True)
class RuleCoverage:
    """The effects of the enabled rules of a bucket below a prefix within a day."""

    expires: bool
    aborts: bool
    expires_versions: bool = False
    """Whether the versions that deletions leave expire too."""

    def suffices(self, *, versioned: bool) -> bool:
        """Return whether the rules do what ours would."""
        return self.expires and self.aborts and (self.expires_versions or not versioned)


def merge_rule(document: bytes | None, prefix: str, *, versioned: bool) -> bytes | None:
    """Return the document with our rule in it, or `None` if it contains the correct rule already,
    or others that do the same: OSS takes no two rules for one prefix (0014-00000085).

    In a bucket with versions the rule also removes the versions that our deletions leave. Raises
    `StoreRefused` if the document cannot be parsed.
    """
    tree = _read(document)
    ours = _make_rule(prefix, versioned=versioned)
    found = _ours(tree, prefix)
    if not found and net_below(document, prefix).suffices(versioned=versioned):
        return None
    if len(found) == 1 and _meaning(found[0]) == _meaning(ours):
        return None
    for rule in found:
        tree.remove(rule)
    tree.append(ours)
    return _write(tree)


def remove_rule(document: bytes | None, prefix: str) -> bytes | None:
    """Return the document without our rule, b"" if no rule is left, `None` if ours was absent.

    Raises `StoreRefused` if the document cannot be parsed.
    """
    tree = _read(document)
    found = _ours(tree, prefix)
    if not found:
        return None
    for rule in found:
        tree.remove(rule)
    return _write(tree) if tree.findall("Rule") else b""


def has_foreign_rules(document: bytes | None, prefix: str) -> bool:
    """Return whether there are rules other than ours."""
    tree = _read(document)
    return len(tree.findall("Rule")) > len(_ours(tree, prefix))


def net_below(document: bytes | None, prefix: str) -> RuleCoverage:
    """Return the effects of all rules below `prefix`."""
    covering = [rule for rule in _read(document).findall("Rule") if _covers(rule, prefix)]
    return RuleCoverage(
        expires=any(rule.findtext("Expiration/Days") == DAYS for rule in covering),
        aborts=any(rule.findtext("AbortMultipartUpload/Days") == DAYS for rule in covering),
        expires_versions=any(
            rule.findtext("NoncurrentVersionExpiration/NoncurrentDays") == DAYS
            for rule in covering
        ),
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
    """Return the content of a rule, independent of the order of its elements."""
    said: dict[str, str] = {}
    for child in rule:
        for leaf in [child] if not len(child) else child:
            said[f"{child.tag}/{leaf.tag}"] = (leaf.text or "").strip()
    return said
