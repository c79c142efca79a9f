"""Both policies: what the program itself prints, with actions that exist."""

import json
import re

import alibabacloud_oss_v2 as oss
import pytest

from bot.adapters.oss.policies import PolicyGrant, bucket_statements, ram_policy, worker_policy
from tests.deploy.files import read
from tests.fakes.policies import actions_of

BUCKET = "my-relay-bucket"


def test_ram_policy() -> None:
    """The RAM policy is that of a bot which runs and is examined, for the bucket of the manual."""
    assert ram_policy(BUCKET, "relay/") == json.loads(read("ram-policy.json"))


def test_policy_of_workers() -> None:
    """That of workers is a part of the bot's. `make demo ARGS="--workers 3"` lets workers run with
    it.
    """
    policy = json.loads(read("ram-policy-worker.json"))

    assert worker_policy(BUCKET, "relay/") == policy
    assert set(actions_of(policy)) < set(actions_of(ram_policy(BUCKET, "relay/")))


def test_bucket_policy() -> None:
    """The bucket policy has our statements and no others; the ids in it are made up."""
    policy = json.loads(read("bucket-policy.json"))
    (user,) = policy["Statement"][0]["Principal"]
    owner = policy["Statement"][0]["Resource"][0].split(":")[3]

    assert bucket_statements(PolicyGrant(BUCKET, owner, (user,))) == policy["Statement"]
    assert re.fullmatch(r"[0-9]+", user + owner)


@pytest.mark.parametrize(
    "name", ["ram-policy.json", "ram-policy-worker.json", "bucket-policy.json"]
)
def test_actions_exist(name: str) -> None:
    """Every action is a call that the SDK knows; those about versions have that of the object."""
    policy = json.loads(read(name))
    calls = {action.removeprefix("oss:") for action in actions_of(policy)}
    unknown = {
        call
        for call in calls
        if not hasattr(oss, f"{call}Request")
        and not hasattr(oss, f"{call.replace('Version', '')}Request")
    }

    assert unknown == set()
    assert all(
        statement["Condition"]["Bool"] == {"acs:SecureTransport": ["true"]}
        for statement in policy["Statement"]
    )


def test_nothing_for_everybody() -> None:
    """No statement of the bucket gives public access, and none allows everything."""
    policy = json.loads(read("bucket-policy.json"))

    assert not any("*" in statement["Principal"] for statement in policy["Statement"])
    assert not any("*" in action for action in actions_of(policy))
