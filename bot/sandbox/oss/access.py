"""Access control: account and bucket status, RAM actions, bucket policy, ACL.

A denying statement of the policy comes first; it binds the account itself only where it has a
condition. Object ACL beats bucket ACL; `default` means that the bucket's holds. Account status
refuses only data calls. Sources: OSS documentation, "Authorization and access control", "Object
ACL", "Bucket ACL", "How to troubleshoot 403" (0003-00000801, 0003-00000806, 0048-00000401).
"""

from fnmatch import fnmatchcase

from bot.sandbox.oss.errors import OssError, access_denied
from bot.sandbox.oss.model import AccessKey, AuthMethod, Bucket, Caller
from bot.sandbox.oss.operations import Operation, Right
from bot.sandbox.oss.policy import AccessQuestion, Statement, condition_values, decide
from bot.sandbox.oss.request import OssRequest
from bot.sandbox.oss.world import World


def check_access(
    world: World,
    caller: Caller,
    operation: Operation,
    request: OssRequest,
    bucket: Bucket | None,
) -> None:
    """Refuse what the caller may not do. `bucket` is `None` where it need not exist.

    Raises:
        OssError: AccessDenied.
    """
    needed = actions(operation, request)
    if bucket is not None and _is_granted(world, caller, needed, request, bucket):
        return
    key = caller.key
    if key is not None:
        _check_actions(key, needed)
        if bucket is None or bucket.owner == key.owner:
            return
    if bucket is None or operation.right is Right.OWNER:
        _refuse_owner_right(caller)
    elif world.blocks_public(bucket) or not _is_public(operation.right, request, bucket):
        raise _by_acl(request, bucket)


def actions(operation: Operation, request: OssRequest) -> list[str]:
    """Return the RAM actions that a request needs."""
    needed = [operation.action]
    if request.header("x-oss-object-acl") and operation.right is Right.WRITE:
        needed.append("oss:PutObjectAcl")
    return needed


def _is_granted(
    world: World, caller: Caller, needed: list[str], request: OssRequest, bucket: Bucket
) -> bool:
    """Say whether the policy allows everything that is needed.

    Raises:
        OssError: it denies something.
    """
    if bucket.policy is None:
        return False
    key = caller.key
    users = frozenset({key.user or key.owner} if key is not None else ())
    is_account = key is not None and not key.user and key.owner == bucket.owner
    where = f"acs:oss:{bucket.region}:{bucket.owner}:{bucket.name}"
    resource = f"{where}/{request.key}" if request.key else where
    key_id = key.key_id if key is not None else ""
    facts = condition_values(request, is_secure=world.is_secure, key_id=key_id)
    decisions = [
        decide(bucket.policy, AccessQuestion(users, action, resource, facts)) for action in needed
    ]
    if any(_binds(statement, is_account=is_account) for statement in decisions):
        raise access_denied("Access denied by bucket policy.")
    return all(_grants(world, bucket, statement) for statement in decisions)


def _binds(statement: Statement | None, *, is_account: bool) -> bool:
    if statement is None or not statement.is_deny:
        return False
    return bool(statement.conditions) or not is_account


def _grants(world: World, bucket: Bucket, statement: Statement | None) -> bool:
    if statement is None or statement.is_deny:
        return False
    return not (statement.is_public and world.blocks_public(bucket))


def _check_actions(key: AccessKey, needed: list[str]) -> None:
    if key.allow is None:
        return
    patterns = {name if ":" in name else f"oss:{name}" for name in key.allow}
    for action in needed:
        if not any(fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns):
            message = "You have no right to access this object because of RAM policy."
            raise access_denied(message, AuthAction=action)


def _refuse_owner_right(caller: Caller) -> None:
    if caller.auth is AuthMethod.ANONYMOUS:
        message = "Anonymous access is forbidden for this operation."
        raise access_denied(message, "0003-00001201")
    raise access_denied("The bucket you access does not belong to you.")


def _is_public(right: Right, request: OssRequest, bucket: Bucket) -> bool:
    acl = _effective_acl(request, bucket)
    if acl == "public-read-write":
        return True
    return acl == "public-read" and right in {Right.READ, Right.LIST}


def _effective_acl(request: OssRequest, bucket: Bucket) -> str:
    stored = bucket.objects.get(request.key)
    if stored is None or stored.acl == "default":
        return bucket.acl
    return stored.acl


def _by_acl(request: OssRequest, bucket: Bucket) -> OssError:
    stored = bucket.objects.get(request.key)
    if stored is None or stored.acl == "default":
        message = "You have no right to access this object because of bucket acl."
        return access_denied(message, "0003-00000001")
    return access_denied("You have no right to access this object.", "0003-00000005")


_ECS = {
    "UserDisable": "0003-00000801",
    "InDebt": "0003-00000806",
    "InDebtOverdue": "0003-00000806",
    "AbnormalBucketOwnerStatus": "0003-00000806",
}


def check_referer(caller: Caller, request: OssRequest, bucket: Bucket | None) -> None:
    """Refuse an anonymous request or a link without a Referer, where a whitelist of the bucket
    asks for one.

    Raises:
        OssError: AccessDenied. Source: OSS documentation, "Hotlink protection".
    """
    if bucket is None or caller.auth is AuthMethod.HEADER or not request.key:
        return
    if bucket.refuses_empty_referer and not request.header("referer"):
        raise access_denied("You are denied by bucket referer policy.")


def check_account_status(
    world: World, request: OssRequest, operation: Operation, bucket: Bucket | None
) -> None:
    """Refuse data calls that the state of account, bucket or domain does not allow.

    Raises:
        OssError: UserDisable and its kind, BucketDisable, PublicEndpointForbidden.
    """
    if bucket is None or not (request.key or operation.right is not Right.OWNER):
        return
    details = {"BucketName": bucket.name}
    if code := world.account_refusal:
        raise OssError(403, code, code, _ECS.get(code, ""), details)
    if bucket.is_disabled:
        message = "The bucket is disabled."
        raise OssError(403, "BucketDisable", message, details=details)
    if world.forbids_public_endpoint and request.address.is_default_domain:
        message = "Access through the public endpoint of OSS is forbidden; use a custom domain."
        raise OssError(400, "PublicEndpointForbidden", message, "0048-00000401", details)
