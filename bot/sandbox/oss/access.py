"""Who may do what: the account's own keys by their RAM actions, everybody by ACL.

Object ACL beats bucket ACL; `default` means that the bucket's holds. Source: OSS documentation,
"Object ACL" and "Bucket ACL".
"""

from fnmatch import fnmatchcase

from bot.sandbox.oss.errors import OssError, access_denied
from bot.sandbox.oss.model import AccessKey, Auth, Bucket, Caller
from bot.sandbox.oss.operations import Operation, Right
from bot.sandbox.oss.request import OssRequest


def check_access(
    caller: Caller, operation: Operation, request: OssRequest, bucket: Bucket | None
) -> None:
    """Refuse what the caller may not do. `bucket` is `None` where it need not exist.

    Raises:
        OssError: AccessDenied.
    """
    if caller.key is not None:
        _check_actions(caller.key, actions(operation, request))
        if bucket is None or bucket.owner == caller.key.owner:
            return
    if bucket is None or operation.right is Right.OWNER:
        _refuse_owner_right(caller)
    elif not _is_public(operation.right, request, bucket):
        raise _by_acl(request, bucket)


def actions(operation: Operation, request: OssRequest) -> list[str]:
    """Return the RAM actions that a request needs."""
    needed = [operation.action]
    if request.header("x-oss-object-acl") and operation.right is Right.WRITE:
        needed.append("oss:PutObjectAcl")
    return needed


def _check_actions(key: AccessKey, needed: list[str]) -> None:
    if key.allow is None:
        return
    patterns = {name if ":" in name else f"oss:{name}" for name in key.allow}
    for action in needed:
        if not any(fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns):
            message = "You have no right to access this object because of RAM policy."
            raise access_denied(message, AuthAction=action)


def _refuse_owner_right(caller: Caller) -> None:
    if caller.auth is Auth.ANONYMOUS:
        message = "Anonymous access is forbidden for this operation."
        raise access_denied(message, "0003-00001201")
    raise access_denied("The bucket you access does not belong to you.")


def _is_public(right: Right, request: OssRequest, bucket: Bucket) -> bool:
    if bucket.blocks_public_access:
        return False
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
