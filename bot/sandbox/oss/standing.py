"""Refusals that have nothing to do with a request: an account that owes, a frozen bucket, the
public endpoint of a mainland bucket.

Control calls go on working then; only data is refused. Sources: OSS documentation, "How to
troubleshoot 403", pages 0003-00000801, 0003-00000806, 0048-00000401.
"""

from bot.sandbox.oss.errors import OssError
from bot.sandbox.oss.model import Bucket
from bot.sandbox.oss.operations import Operation, Right
from bot.sandbox.oss.request import OssRequest
from bot.sandbox.oss.world import World

_ECS = {
    "UserDisable": "0003-00000801",
    "InDebt": "0003-00000806",
    "InDebtOverdue": "0003-00000806",
    "AbnormalBucketOwnerStatus": "0003-00000806",
}


def check_standing(
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
