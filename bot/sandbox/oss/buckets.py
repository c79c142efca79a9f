"""Bucket operations: create, delete, list, ACL, information."""

from bot.sandbox.oss.authentication import timestamp
from bot.sandbox.oss.call import Call
from bot.sandbox.oss.errors import OssError, access_denied, invalid_argument, malformed_xml
from bot.sandbox.oss.model import BUCKET_ACLS, Answer, Bucket, xml_answer
from bot.sandbox.oss.objects import acl_document
from bot.sandbox.oss.request import OssRequest, check_bucket_name
from bot.sandbox.oss.xml import Node, document, parse


async def put_bucket(call: Call) -> Answer:
    """PutBucket; the new bucket blocks public access, as those made through the API do since
    2025-10-13.
    """
    world, name = call.world, call.request.bucket
    check_bucket_name(name)
    caller_key = call.caller.key
    owner = caller_key.owner if caller_key else world.owner
    storage_class, redundancy = _configuration(await call.read_document())
    existing = world.buckets.get(name)
    if existing is not None:
        if existing.owner != owner:
            message = "The requested bucket name is not available."
            details = {"BucketName": name}
            raise OssError(409, "BucketAlreadyExists", message, details=details)
        return Answer()
    acl = _bucket_acl(call.request) if call.request.header("x-oss-acl") else "private"
    if acl != "private":
        raise access_denied("Put public bucket acl is not allowed")
    world.buckets[name] = Bucket(
        name,
        acl,
        owner,
        world.region,
        world.now(),
        blocks_public_access=True,
        storage_class=storage_class,
        redundancy=redundancy,
    )
    return Answer(200, {"Location": f"/{name}"})


def _configuration(body: bytes) -> tuple[str, str]:
    if not body:
        return "Standard", "ZRS"
    try:
        tree = parse(body, "CreateBucketConfiguration")
    except ValueError as error:
        raise malformed_xml() from error
    redundancy = tree.findtext("DataRedundancyType") or "ZRS"
    return tree.findtext("StorageClass") or "Standard", redundancy


def _bucket_acl(request: OssRequest) -> str:
    acl = request.header("x-oss-acl")
    if acl not in BUCKET_ACLS:
        raise invalid_argument("no such bucket access control exists", "x-oss-acl", acl)
    return acl


async def put_bucket_acl(call: Call) -> Answer:
    """PutBucketACL. A public one is refused while public access is blocked."""
    acl = _bucket_acl(call.request)
    if acl != "private" and call.world.blocks_public(call.bucket):
        raise access_denied("Put public bucket acl is not allowed")
    call.bucket.acl = acl
    return Answer()


async def get_bucket_acl(call: Call) -> Answer:
    """GetBucketACL."""
    return xml_answer(acl_document(call.bucket.owner, call.bucket.acl))


async def delete_bucket(call: Call) -> Answer:
    """DeleteBucket; it must be empty of objects and of pending uploads."""
    if call.bucket.objects or call.bucket.uploads or call.bucket.older:
        message = "The bucket has objects or multipart uploads. Please delete them first."
        details = {"BucketName": call.bucket.name}
        raise OssError(409, "BucketNotEmpty", message, "0015-00000301", details)
    del call.world.buckets[call.bucket.name]
    return Answer(204)


async def get_bucket_info(call: Call) -> Answer:
    """GetBucketInfo."""
    bucket = call.bucket
    info: list[Node] = [
        *_summary(bucket),
        ("DataRedundancyType", bucket.redundancy),
        ("AccessControlList", [("Grant", bucket.acl)]),
        ("Owner", [("ID", bucket.owner), ("DisplayName", bucket.owner)]),
        ("Versioning", bucket.versioning),
        ("BlockPublicAccess", "true" if bucket.blocks_public_access else "false"),
        ("AccessMonitor", "Disabled"),
        ("CrossRegionReplication", "Disabled"),
        ("TransferAcceleration", "Disabled"),
        ("Comment", ""),
    ]
    return xml_answer(document("BucketInfo", [("Bucket", info)]))


def _summary(bucket: Bucket) -> list[Node]:
    return [
        ("Name", bucket.name),
        ("CreationDate", timestamp(bucket.created_at)),
        ("Location", f"oss-{bucket.region}"),
        ("ExtranetEndpoint", f"oss-{bucket.region}.aliyuncs.com"),
        ("IntranetEndpoint", f"oss-{bucket.region}-internal.aliyuncs.com"),
        ("StorageClass", bucket.storage_class),
    ]


async def get_bucket_location(call: Call) -> Answer:
    """GetBucketLocation."""
    return xml_answer(document("LocationConstraint", f"oss-{call.bucket.region}"))


async def get_bucket_stat(call: Call) -> Answer:
    """GetBucketStat."""
    bucket = call.bucket
    parts = sum(len(pending.parts) for pending in bucket.uploads.values())
    stat: list[Node] = [
        ("Storage", str(sum(stored.size for stored in bucket.objects.values()))),
        ("ObjectCount", str(len(bucket.objects))),
        ("MultipartUploadCount", str(len(bucket.uploads))),
        ("MultipartPartCount", str(parts)),
    ]
    return xml_answer(document("BucketStat", stat))


async def list_buckets(call: Call) -> Answer:
    """ListBuckets of the caller's account, page by page."""
    from_key = call.caller.key
    owner = from_key.owner if from_key else ""
    prefix, marker = call.request.query("prefix"), call.request.query("marker")
    limit = int(call.request.query("max-keys") or 100)
    names = sorted(
        name
        for name, bucket in call.world.buckets.items()
        if bucket.owner == owner and name.startswith(prefix) and name > marker
    )
    shown = names[:limit]
    is_truncated = len(names) > limit
    nodes: list[Node] = [
        ("Prefix", prefix),
        ("Marker", marker),
        ("MaxKeys", str(limit)),
        ("IsTruncated", "true" if is_truncated else "false"),
        ("Owner", [("ID", owner), ("DisplayName", owner)]),
        ("Buckets", [_bucket_node(call.world.buckets[name]) for name in shown]),
    ]
    if is_truncated:
        nodes.append(("NextMarker", shown[-1]))
    return xml_answer(document("ListAllMyBucketsResult", nodes))


def _bucket_node(bucket: Bucket) -> Node:
    return ("Bucket", [*_summary(bucket), ("Region", bucket.region)])
