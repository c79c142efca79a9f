"""Dispatch a decoded request: authenticate, find the bucket, check access, call the handler."""

from collections.abc import Awaitable, Callable

from bot.sandbox.oss import (
    buckets,
    configuration,
    copying,
    listing,
    multipart,
    objects,
    reading,
)
from bot.sandbox.oss.access import check_access, check_account_status, check_referer
from bot.sandbox.oss.authentication import Authenticator
from bot.sandbox.oss.call import BodySource, Call
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
    "PutBucketVersioning": configuration.put_bucket_versioning,
    "GetBucketVersioning": configuration.get_bucket_versioning,
    "PutBucketPublicAccessBlock": configuration.put_public_access_block,
    "GetBucketPublicAccessBlock": configuration.get_public_access_block,
    "DeleteBucketPublicAccessBlock": configuration.delete_public_access_block,
    "PutPublicAccessBlock": configuration.put_public_access_block,
    "GetPublicAccessBlock": configuration.get_public_access_block,
    "DeletePublicAccessBlock": configuration.delete_public_access_block,
    "PutBucketPolicy": configuration.put_bucket_policy,
    "GetBucketPolicy": configuration.get_bucket_policy,
    "GetBucketPolicyStatus": configuration.get_bucket_policy_status,
    "DeleteBucketPolicy": configuration.delete_bucket_policy,
    "PutBucketLifecycle": configuration.put_bucket_lifecycle,
    "GetBucketLifecycle": configuration.get_bucket_lifecycle,
    "DeleteBucketLifecycle": configuration.delete_bucket_lifecycle,
    "ListObjectVersions": listing.list_object_versions,
    "ListObjects": listing.list_objects,
    "ListObjectsV2": listing.list_objects_v2,
    "ListMultipartUploads": listing.list_multipart_uploads,
    "ListParts": listing.list_parts,
    "PutObject": objects.put_object,
    "DeleteObject": objects.delete_object,
    "DeleteMultipleObjects": objects.delete_multiple_objects,
    "PutObjectACL": objects.put_object_acl,
    "GetObjectACL": objects.get_object_acl,
    "GetObject": reading.get_object,
    "HeadObject": reading.head_object,
    "GetObjectMeta": reading.get_object_meta,
    "InitiateMultipartUpload": multipart.initiate,
    "CopyObject": copying.copy_object,
    "UploadPartCopy": copying.upload_part_copy,
    "UploadPart": multipart.upload_part,
    "CompleteMultipartUpload": multipart.complete,
    "AbortMultipartUpload": multipart.abort,
}


_KEY_FIRST = {"PutBucket", "PutBucketACL"}


def authenticate(world: World, request: OssRequest, operation: Operation) -> Caller:
    """Return the caller, by the service's own clock now.

    A bucket is looked for before the key, except by PutBucketACL, as the tests of the vendor's
    SDKs expect it.

    Raises:
        OssError: the signature, the key or the time is wrong, or there is no such bucket.
    """
    if request.bucket and operation.name not in _KEY_FIRST:
        check_bucket_name(request.bucket)
        world.bucket(request.bucket)
    region = request.address.region or world.region
    return Authenticator(world.keys, region).authenticate(request, world.now())


async def execute(
    world: World,
    request: OssRequest,
    operation: Operation,
    caller: Caller,
    source: BodySource,
    kept: frozenset[str] = frozenset(),
) -> Answer:
    """Check and carry out one request of a known caller. DeleteMultipleObjects leaves the keys in
    `kept` alone.

    Raises:
        OssError: refused.
    """
    if request.bucket:
        check_bucket_name(request.bucket)
    bucket = _find_bucket(world, request, operation)
    if request.key:
        check_key(request.key)
    check_account_status(world, request, operation, bucket)
    check_referer(caller, request, bucket)
    check_access(world, caller, operation, request, bucket)
    handler = HANDLERS.get(operation.name)
    if handler is None:
        raise not_implemented(operation.name)
    return await handler(Call(world, request, operation, caller, source, kept))


def _find_bucket(world: World, request: OssRequest, operation: Operation) -> Bucket | None:
    if not request.bucket or operation.name == "PutBucket":
        return None
    bucket = world.bucket(request.bucket)
    if bucket.region != (request.address.region or world.region):
        raise wrong_endpoint(bucket.name, bucket.region)
    return bucket
