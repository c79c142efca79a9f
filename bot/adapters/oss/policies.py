"""The two kinds of policy: that of the bucket, which names a RAM user, and that of the RAM user,
which names the bucket. Both as the documents that a person pastes into the console.

Sources: OSS documentation, "Bucket policy" and "RAM policy"; the actions of each call are those of
the API reference.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

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
"""What the console grants as "read/write"."""

RUN_OBJECTS: Final = (
    "oss:AbortMultipartUpload",
    "oss:DeleteObject",
    "oss:GetObject",
    "oss:ListParts",
    "oss:PutObject",
    "oss:PutObjectAcl",
)
"""What `run`, `send` and `audit` call on objects."""
RUN_BUCKET: Final = ("oss:ListMultipartUploads", "oss:ListObjects")
"""What they call on the bucket."""
DOCTOR_BUCKET: Final = (
    "oss:GetBucketInfo",
    "oss:GetBucketLifecycle",
    "oss:GetBucketPolicy",
    "oss:GetBucketPublicAccessBlock",
)
"""What `doctor` looks at, and `setup` too."""
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
"""What only `setup` does; a key of its own may have these."""


@dataclass(frozen=True, slots=True)
class PolicyGrant:
    """Whom our statements serve: RAM user ids, in the bucket `bucket` of the account `owner`."""

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
    """Read the policy of a bucket; an empty one where there is none.

    Raises:
        StoreRefused: it cannot be read, so nothing can be added to it without losing something.
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


def is_ours(statement: Mapping[str, Any], bucket: str) -> bool:
    """Say whether a statement is one of ours, word for word, for whichever user and account."""
    principals = statement.get("Principal")
    resources = statement.get("Resource")
    if not isinstance(principals, list) or not isinstance(resources, list) or not resources:
        return False
    owner = str(resources[0]).split(":")[3:4]
    ours = bucket_statements(PolicyGrant(bucket, "".join(owner), tuple(principals)))
    return dict(statement) in ours


def users_granted(policy: Policy, bucket: str) -> list[str]:
    """Return the RAM users that statements of ours serve, each once."""
    ours = [statement for statement in policy["Statement"] if is_ours(statement, bucket)]
    return list(dict.fromkeys(user for statement in ours for user in statement["Principal"]))


def merge_statements(policy: Policy, grant: PolicyGrant) -> Policy | None:
    """Return the policy with our statements behind those of others, or `None` if it has them."""
    present: Sequence[Statement] = policy["Statement"]
    missing = [ours for ours in bucket_statements(grant) if ours not in present]
    return {**policy, "Statement": [*present, *missing]} if missing else None


def remove_statements(policy: Policy, bucket: str) -> Policy | None:
    """Return the policy without our statements, or `None` if it has none of them."""
    present: Sequence[Statement] = policy["Statement"]
    others = [statement for statement in present if not is_ours(statement, bucket)]
    return {**policy, "Statement": others} if len(others) < len(present) else None


def ram_policy(bucket: str, prefix: str, *, setup: bool = False, secure: bool = True) -> Policy:
    """Return the least that a RAM user needs: to run the bot and to examine it, with `setup` also
    to set the bucket up. `secure` allows it over https only.
    """
    where = f"acs:oss:*:*:{bucket}"
    condition = HTTPS_ONLY if secure else {}
    of_bucket = [*RUN_BUCKET, *DOCTOR_BUCKET, *(SETUP_BUCKET if setup else ())]
    parts = (
        (RUN_OBJECTS, f"{where}/{prefix}*"),
        (sorted(of_bucket), where),
        (DOCTOR_ACCOUNT, "acs:oss:*:*:*"),
    )
    statements = [
        {"Effect": "Allow", "Action": list(actions), "Resource": [resource]}
        | ({"Condition": condition} if condition else {})
        for actions, resource in parts
    ]
    return {"Version": "1", "Statement": statements}


def actions_of(policy: Policy) -> set[str]:
    """Return every action that a policy names."""
    return {action for statement in policy["Statement"] for action in statement["Action"]}
