"""Bucket policies: parse and evaluate.

Statements that use something this module does not know are refused when the policy is put, so a
stored policy is always evaluated in full. Source: OSS documentation, "Bucket policy".
"""

import ipaddress
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.sandbox.oss.errors import OssError
from bot.sandbox.oss.request import OssRequest

_VERSION = "1"
_ADDRESSES = ("acs:SourceIp", "acs:SourceVpcIp")
_IDENTITIES = ("acs:SourceVpc", "acs:SourceVpcId", "acs:AccessId")
_KEYS = {*_ADDRESSES, *_IDENTITIES, "acs:SecureTransport", "oss:Prefix", "oss:Delimiter"}
_CONFINING_OPERATORS = {"StringEquals", "StringLike", "IpAddress"}
_LEAST_MASKS = {4: 8, 6: 32}
"""Bits; a wider network does not confine."""


@dataclass(frozen=True)
class Statement:
    """One statement. `principals` are account or user ids; `*` is everyone, and so is an absent or
    empty Principal.
    """

    is_deny: bool
    principals: tuple[str, ...]
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...]

    @property
    def is_public(self) -> bool:
        """Whether this grants something to everyone: no principal is named in full, and no
        condition confines it. Source: OSS documentation, "Block public access".
        """
        is_anybody = any("*" in name for name in self.principals)
        return not self.is_deny and is_anybody and not any(map(_confines, self.conditions))


@dataclass(frozen=True)
class Policy:
    """A policy as it was put, and its statements."""

    text: str
    statements: tuple[Statement, ...]

    @property
    def is_public(self) -> bool:
        """Whether any statement is public."""
        return any(statement.is_public for statement in self.statements)


@dataclass(frozen=True)
class AccessQuestion:
    """The input of a decision: caller, action, resource and condition keys."""

    users: frozenset[str]
    """The ids of the caller; empty for an anonymous one."""
    action: str
    resource: str
    condition_values: Mapping[str, str]


def _confines(condition: tuple[str, str, tuple[str, ...]]) -> bool:
    """Return whether a condition makes its statement non-public.

    The page names keys and values only. An operator that excludes some senders is not taken for
    one that names them.
    """
    operator, key, values = condition
    if operator not in _CONFINING_OPERATORS:
        return False
    if key in _IDENTITIES:
        return not any("*" in value for value in values)
    return key in _ADDRESSES and all(map(_is_narrow, values))


def _is_narrow(network: str) -> bool:
    try:
        parsed = ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
    return parsed.prefixlen >= _LEAST_MASKS[parsed.version]


def condition_values(request: OssRequest, *, is_secure: bool, key_id: str = "") -> dict[str, str]:
    """Return the condition keys of a request: from loopback, so outside of any VPC."""
    return {
        "acs:SourceVpc": "",
        "acs:SourceVpcId": "",
        "acs:SourceVpcIp": "",
        "acs:AccessId": key_id,
        "acs:SecureTransport": "true" if is_secure else "false",
        "acs:SourceIp": "127.0.0.1",
        "oss:Prefix": request.query("prefix"),
        "oss:Delimiter": request.query("delimiter"),
    }


def parse_policy(text: str) -> Policy:
    """Read a policy.

    Raises:
        OssError: InvalidPolicyDocument.
    """
    try:
        statements = _statements(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        message = f"The policy is not valid: {type(error).__name__}: {error}"
        raise OssError(400, "InvalidPolicyDocument", message) from error
    return Policy(text, statements)


def _statements(document: Mapping[str, Any]) -> tuple[Statement, ...]:
    if document["Version"] != _VERSION:
        raise ValueError("Version must be 1")
    return tuple(_statement(entry) for entry in document["Statement"])


def _statement(entry: Mapping[str, Any]) -> Statement:
    if entry["Effect"] not in {"Allow", "Deny"}:
        raise ValueError("Effect must be Allow or Deny")
    if unknown := set(entry) - {"Effect", "Principal", "Action", "Resource", "Condition", "Sid"}:
        raise ValueError(f"unknown element {', '.join(sorted(unknown))}")
    return Statement(
        entry["Effect"] == "Deny",
        _texts(entry.get("Principal") or "*"),
        _texts(entry["Action"]),
        _texts(entry["Resource"]),
        tuple(
            _condition(operator, key, _texts(values))
            for operator, keys in entry.get("Condition", {}).items()
            for key, values in keys.items()
        ),
    )


def _texts(value: object) -> tuple[str, ...]:
    values: Sequence[object] = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(item, str) for item in values):
        raise TypeError("a string or a list of strings is needed")
    return tuple(str(item) for item in values)


def _condition(
    operator: str, key: str, values: tuple[str, ...]
) -> tuple[str, str, tuple[str, ...]]:
    if operator not in _OPERATORS or key not in _KEYS:
        raise ValueError(f"unknown condition {operator} {key}")
    return operator, key, values


def check_source_address(policy: Policy) -> None:
    """Refuse a new statement that names source addresses and no VPC.

    Raises:
        OssError: InvalidPolicyDocument. Source: OSS documentation, 0030-00000008.
    """
    for statement in policy.statements:
        keys = {key for _, key, _ in statement.conditions}
        if "acs:SourceIp" in keys and "acs:SourceVpc" not in keys:
            message = "A condition with acs:SourceIp needs one with acs:SourceVpc."
            raise OssError(400, "InvalidPolicyDocument", message, "0030-00000008")


def decide(policy: Policy, question: AccessQuestion) -> Statement | None:
    """Return the statement that decides, a denying one before any other; `None` if none applies to
    it.
    """
    applicable = [statement for statement in policy.statements if _applies(statement, question)]
    applicable.sort(key=lambda statement: not statement.is_deny)
    return applicable[0] if applicable else None


def _applies(statement: Statement, question: AccessQuestion) -> bool:
    return (
        any(name == "*" or name in question.users for name in statement.principals)
        and any(_like(pattern.lower(), question.action.lower()) for pattern in statement.actions)
        and any(_like(pattern, question.resource) for pattern in statement.resources)
        and all(
            _OPERATORS[operator](question.condition_values[key], values)
            for operator, key, values in statement.conditions
        )
    )


def _like(pattern: str, text: str) -> bool:
    """Match with `*` and `?`."""
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, text, re.DOTALL) is not None


def _is_in(address: str, networks: tuple[str, ...]) -> bool:
    return bool(address) and any(
        ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
        for network in networks
    )


_OPERATORS: dict[str, Callable[[str, tuple[str, ...]], bool]] = {
    "Bool": lambda actual, values: actual in {value.lower() for value in values},
    "StringEquals": lambda actual, values: actual in values,
    "StringNotEquals": lambda actual, values: actual not in values,
    "StringLike": lambda actual, values: any(_like(value, actual) for value in values),
    "StringNotLike": lambda actual, values: not any(_like(value, actual) for value in values),
    "IpAddress": _is_in,
    "NotIpAddress": lambda actual, values: not _is_in(actual, values),
}
