"""Configuration of buckets and of the account: versioning, public access, policy,
lifecycle.
"""

from bot.sandbox.oss.call import Call
from bot.sandbox.oss.errors import OssError, access_denied, malformed_xml
from bot.sandbox.oss.lifecycle import parse_lifecycle
from bot.sandbox.oss.listing import flag
from bot.sandbox.oss.model import Answer, xml_answer
from bot.sandbox.oss.policy import check_source_address, parse_policy
from bot.sandbox.oss.xml import document, parse


async def put_bucket_versioning(call: Call) -> Answer:
    """PutBucketVersioning: Enabled or Suspended; there is no way back to neither."""
    status = await _one_text(call, "VersioningConfiguration", "Status")
    if status not in {"Enabled", "Suspended"}:
        raise malformed_xml()
    call.bucket.versioning = status
    return Answer()


async def get_bucket_versioning(call: Call) -> Answer:
    """GetBucketVersioning; without a status where it was never set."""
    status = call.bucket.versioning
    nodes = [("Status", status)] if status else []
    return xml_answer(document("VersioningConfiguration", nodes))


async def _one_text(call: Call, root: str, name: str) -> str:
    try:
        return (parse(await call.read_document(), root).findtext(name) or "").strip()
    except ValueError as error:
        raise malformed_xml() from error


async def put_public_access_block(call: Call) -> Answer:
    """PutBucketPublicAccessBlock, and PutPublicAccessBlock for the whole account."""
    text = await _one_text(call, "PublicAccessBlockConfiguration", "BlockPublicAccess")
    if text.lower() not in {"true", "false"}:
        raise malformed_xml()
    _set_block(call, blocked=text.lower() == "true")
    return Answer()


def _set_block(call: Call, *, blocked: bool) -> None:
    if call.request.bucket:
        call.bucket.blocks_public_access = blocked
    else:
        call.world.blocks_public_access = blocked


async def get_public_access_block(call: Call) -> Answer:
    """GetBucketPublicAccessBlock, and GetPublicAccessBlock for the whole account."""
    of_bucket = call.request.bucket and call.bucket.blocks_public_access
    blocked = of_bucket if call.request.bucket else call.world.blocks_public_access
    nodes = [("BlockPublicAccess", flag(blocked))]
    return xml_answer(document("PublicAccessBlockConfiguration", nodes))


async def delete_public_access_block(call: Call) -> Answer:
    """DeleteBucketPublicAccessBlock, and DeletePublicAccessBlock for the whole account."""
    _set_block(call, blocked=False)
    return Answer(204)


async def put_bucket_policy(call: Call) -> Answer:
    """PutBucketPolicy; a public one is refused while public access is blocked."""
    text = (await call.read_document()).decode("utf-8", "replace")
    policy = parse_policy(text)
    check_source_address(policy)
    if policy.is_public and call.world.blocks_public(call.bucket):
        raise access_denied("Put public bucket policy is not allowed")
    call.bucket.policy = policy
    return Answer()


async def get_bucket_policy(call: Call) -> Answer:
    """GetBucketPolicy: the text as it was put."""
    policy = call.bucket.policy
    if policy is None:
        message = "The bucket policy does not exist."
        raise OssError(404, "NoSuchBucketPolicy", message, details={"Bucket": call.bucket.name})
    return Answer(200, {"Content-Type": "application/json"}, policy.text.encode())


async def get_bucket_policy_status(call: Call) -> Answer:
    """GetBucketPolicyStatus: whether the policy is public."""
    policy = call.bucket.policy
    is_public = policy is not None and policy.is_public
    return xml_answer(document("PolicyStatus", [("IsPublic", flag(is_public))]))


async def delete_bucket_policy(call: Call) -> Answer:
    """DeleteBucketPolicy; succeeds without a policy too."""
    call.bucket.policy = None
    return Answer(204)


async def put_bucket_lifecycle(call: Call) -> Answer:
    """PutBucketLifecycle: replaces every rule."""
    body = await call.read_document()
    allowed = call.request.header("x-oss-allow-same-action-overlap").lower() == "true"
    call.bucket.lifecycle = parse_lifecycle(body, call.world.now(), allows_same_action=allowed)
    return Answer()


async def get_bucket_lifecycle(call: Call) -> Answer:
    """GetBucketLifecycle."""
    if call.bucket.lifecycle is None:
        message = "No Row found in Lifecycle Table."
        details = {"BucketName": call.bucket.name}
        raise OssError(404, "NoSuchLifecycle", message, details=details)
    return xml_answer(call.bucket.lifecycle.document)


async def delete_bucket_lifecycle(call: Call) -> Answer:
    """DeleteBucketLifecycle; succeeds without rules too."""
    call.bucket.lifecycle = None
    return Answer(204)
