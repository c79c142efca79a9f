"""From a decoded request to an answer: authenticate, find the bucket, check, carry out."""

from collections.abc import Awaitable, Callable

from bot.sandbox.oss import buckets, listing, multipart, objects, reading, upload_listing
from bot.sandbox.oss.access import check_access
from bot.sandbox.oss.authentication import Authenticator
from bot.sandbox.oss.call import Call, Source
from bot.sandbox.oss.errors import not_implemented, wrong_endpoint
from bot.sandbox.oss.model import Answer, Bucket, Caller
from bot.sandbox.oss.operations import Operation
from bot.sandbox.oss.request import OssRequest, check_bucket_name, check_key
from bot.sandbox.oss.world import World

Handler = Callable[[Call], Awaitable[Answer]]

HANDLERS: dict[str, Handler] = {
    "ListBuckets": buckets.list_buckets,
    "PutBucket": buckets.put_bucket,
    "DeleteBucket": buckets.delete_bucket,
    "PutBucketACL": buckets.put_bucket_acl,
    "GetBucketACL": buckets.get_bucket_acl,
    "GetBucketInfo": buckets.get_bucket_info,
    "GetBucketLocation": buckets.get_bucket_location,
    "GetBucketStat": buckets.get_bucket_stat,
    "ListObjects": listing.list_objects,
    "ListObjectsV2": listing.list_objects_v2,
    "ListMultipartUploads": upload_listing.list_multipart_uploads,
    "ListParts": upload_listing.list_parts,
    "PutObject": objects.put_object,
    "DeleteObject": objects.delete_object,
    "DeleteMultipleObjects": objects.delete_multiple_objects,
    "PutObjectACL": objects.put_object_acl,
    "GetObjectACL": objects.get_object_acl,
    "GetObject": reading.get_object,
    "HeadObject": reading.head_object,
    "GetObjectMeta": reading.get_object_meta,
    "InitiateMultipartUpload": multipart.initiate,
    "UploadPart": multipart.upload_part,
    "CompleteMultipartUpload": multipart.complete,
    "AbortMultipartUpload": multipart.abort,
}


def authenticate(world: World, request: OssRequest) -> Caller:
    """Return who sent the request, judged by the service's own clock at this moment.

    Raises:
        OssError: the signature, the key or the time is wrong.
    """
    region = request.address.region or world.region
    return Authenticator(world.keys, region).authenticate(request, world.now())


async def carry_out(
    world: World, request: OssRequest, operation: Operation, caller: Caller, source: Source
) -> Answer:
    """Check and carry out one request of a known caller.

    Raises:
        OssError: refused.
    """
    if request.bucket:
        check_bucket_name(request.bucket)
    bucket = _find_bucket(world, request, operation)
    if request.key:
        check_key(request.key)
    check_access(caller, operation, request, bucket)
    handler = HANDLERS.get(operation.name)
    if handler is None:
        raise not_implemented(operation.name)
    return await handler(Call(world, request, operation, caller, source))


def _find_bucket(world: World, request: OssRequest, operation: Operation) -> Bucket | None:
    if not request.bucket or operation.name == "PutBucket":
        return None
    bucket = world.bucket(request.bucket)
    if bucket.region != (request.address.region or world.region):
        raise wrong_endpoint(bucket.name, bucket.region)
    return bucket
