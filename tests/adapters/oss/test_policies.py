"""Bucket policies and RAM policies."""

import json
from typing import Any

import pytest

from bot.adapters.oss.policies import (
    PolicyGrant,
    bucket_statements,
    is_ours,
    merge_statements,
    parse_policy,
    ram_policy,
    remove_statements,
    users_granted,
)
from bot.core.errors import StoreRefused
from bot.sandbox.oss.policy import parse_policy as check

GRANT = PolicyGrant("my-bucket", "1234", ("5678",))
FOREIGN = {
    "Effect": "Deny",
    "Principal": ["*"],
    "Action": ["oss:*"],
    "Resource": ["acs:oss:*:1234:my-bucket/secret/*"],
}


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    """Make a policy with something that only its owner understands."""
    return {"Version": "1", "Comment": "of others", "Statement": list(statements)}


def test_merged_behind_those_of_others() -> None:
    """Statements of others and everything around them stay; merging twice does nothing."""
    merged = merge_statements(policy(FOREIGN), GRANT)
    assert merged is not None

    assert merged == policy(FOREIGN, *bucket_statements(GRANT))
    assert merge_statements(merged, GRANT) is None


def test_half_there() -> None:
    """A missing statement is added, the other one not doubled."""
    first, second = bucket_statements(GRANT)

    assert merge_statements(policy(first), GRANT) == policy(first, second)


def test_taken_back() -> None:
    """Ours are known word for word, whichever user they serve; those of others stay."""
    other = bucket_statements(PolicyGrant("my-bucket", "1234", ("9",)))
    whole = policy(FOREIGN, *bucket_statements(GRANT), *other)

    assert users_granted(whole, "my-bucket") == ["5678", "9"]
    assert remove_statements(whole, "my-bucket") == policy(FOREIGN)
    assert remove_statements(policy(FOREIGN), "my-bucket") is None


@pytest.mark.parametrize(
    "change",
    [
        {"Effect": "Deny"},
        {"Sid": "mine"},
        {"Action": ["oss:GetObject"]},
        {"Resource": ["acs:oss:*:1234:my-bucket/relay/*"]},
        {"Principal": "5678"},
        {"Resource": "acs:oss:*:1234:my-bucket/*"},
    ],
)
def test_a_changed_statement_is_not_ours(change: dict[str, Any]) -> None:
    """A statement of ours that was changed by hand does not count as ours."""
    assert not is_ours(bucket_statements(GRANT)[0] | change, "my-bucket")


def test_a_single_statement() -> None:
    """A policy may hold one statement outside a list."""
    parsed = parse_policy(json.dumps({"Version": "1", "Statement": FOREIGN}))

    assert parsed["Statement"] == [FOREIGN]


@pytest.mark.parametrize("text", ["", "[]", "{}", "null"])
def test_unreadable(text: str) -> None:
    """A document that cannot be read is not merged."""
    with pytest.raises(StoreRefused, match="cannot be read"):
        parse_policy(text)


def test_the_service_takes_ours() -> None:
    """Our statements are a valid policy and give no public access."""
    judged = check(json.dumps(policy(*bucket_statements(GRANT)) | {"Comment": ""}))

    assert (len(judged.statements), judged.is_public) == (2, False)


def test_ram_policy_is_https_only() -> None:
    """Each statement of the RAM policy asks for https, except for a service on this machine."""
    secure, plain = ram_policy("b", "relay/7/"), ram_policy("b", "relay/7/", secure=False)

    assert all(
        s["Condition"] == {"Bool": {"acs:SecureTransport": ["true"]}} for s in secure["Statement"]
    )
    assert not any("Condition" in statement for statement in plain["Statement"])
