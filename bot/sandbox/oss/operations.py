"""Operations of OSS: find the one that a request names, and the right it needs."""

from dataclasses import dataclass
from enum import StrEnum

from bot.sandbox.oss.errors import method_not_allowed, not_implemented
from bot.sandbox.oss.request import OssRequest


class Right(StrEnum):
    """A right that an ACL can grant to everyone; `OWNER` is never granted by an ACL."""

    READ = "read"
    WRITE = "write"
    LIST = "list"
    OWNER = "owner"


@dataclass(frozen=True)
class Operation:
    """An operation, named as in the documentation; `action` is the RAM action."""

    name: str
    right: Right
    action: str


def _row(name: str, right: Right, action: str = "") -> Operation:
    return Operation(name, right, f"oss:{action or name}")


_READ, _WRITE, _LIST, _OWNER = Right.READ, Right.WRITE, Right.LIST, Right.OWNER

_SERVICE = {
    ("GET", ""): _row("ListBuckets", _OWNER),
    ("PUT", "publicAccessBlock"): _row("PutPublicAccessBlock", _OWNER),
    ("GET", "publicAccessBlock"): _row("GetPublicAccessBlock", _OWNER),
    ("DELETE", "publicAccessBlock"): _row("DeletePublicAccessBlock", _OWNER),
}

_BUCKET = {
    ("GET", ""): _row("ListObjects", _LIST),
    ("GET", "list-type"): _row("ListObjectsV2", _LIST, "ListObjects"),
    ("GET", "uploads"): _row("ListMultipartUploads", _OWNER),
    ("GET", "acl"): _row("GetBucketACL", _OWNER, "GetBucketAcl"),
    ("GET", "bucketInfo"): _row("GetBucketInfo", _OWNER),
    ("GET", "location"): _row("GetBucketLocation", _OWNER),
    ("GET", "stat"): _row("GetBucketStat", _OWNER),
    ("PUT", ""): _row("PutBucket", _OWNER),
    ("PUT", "acl"): _row("PutBucketACL", _OWNER, "PutBucketAcl"),
    ("PUT", "versioning"): _row("PutBucketVersioning", _OWNER),
    ("GET", "versioning"): _row("GetBucketVersioning", _OWNER),
    ("GET", "versions"): _row("ListObjectVersions", _LIST),
    ("PUT", "publicAccessBlock"): _row("PutBucketPublicAccessBlock", _OWNER),
    ("GET", "publicAccessBlock"): _row("GetBucketPublicAccessBlock", _OWNER),
    ("DELETE", "publicAccessBlock"): _row("DeleteBucketPublicAccessBlock", _OWNER),
    ("PUT", "policy"): _row("PutBucketPolicy", _OWNER),
    ("GET", "policy"): _row("GetBucketPolicy", _OWNER),
    ("GET", "policyStatus"): _row("GetBucketPolicyStatus", _OWNER),
    ("DELETE", "policy"): _row("DeleteBucketPolicy", _OWNER),
    ("PUT", "lifecycle"): _row("PutBucketLifecycle", _OWNER),
    ("GET", "lifecycle"): _row("GetBucketLifecycle", _OWNER),
    ("DELETE", "lifecycle"): _row("DeleteBucketLifecycle", _OWNER),
    ("POST", "delete"): _row("DeleteMultipleObjects", _WRITE, "DeleteObject"),
    ("DELETE", ""): _row("DeleteBucket", _OWNER),
}

_OBJECT = {
    ("GET", ""): _row("GetObject", _READ),
    ("HEAD", ""): _row("HeadObject", _READ, "GetObject"),
    ("HEAD", "objectMeta"): _row("GetObjectMeta", _READ, "GetObject"),
    ("GET", "acl"): _row("GetObjectACL", _OWNER, "GetObjectAcl"),
    ("GET", "uploadId"): _row("ListParts", _OWNER),
    ("PUT", ""): _row("PutObject", _WRITE),
    ("PUT", "acl"): _row("PutObjectACL", _OWNER, "PutObjectAcl"),
    ("PUT", "uploadId"): _row("UploadPart", _WRITE, "PutObject"),
    ("POST", "uploads"): _row("InitiateMultipartUpload", _WRITE, "PutObject"),
    ("POST", "uploadId"): _row("CompleteMultipartUpload", _WRITE, "PutObject"),
    ("DELETE", ""): _row("DeleteObject", _WRITE),
    ("DELETE", "uploadId"): _row("AbortMultipartUpload", _WRITE),
}

_COPIES = {
    False: _row("CopyObject", _WRITE, "PutObject"),
    True: _row("UploadPartCopy", _WRITE, "PutObject"),
}
"""The same requests as PutObject and UploadPart, with a source in a header; by `uploadId`."""

_KNOWN = {
    "accessPoint", "accessPointPolicy", "accessmonitor", "acl", "append", "asyncFetch",
    "bucketArchiveDirectRead", "bucketInfo", "callback", "cleanRestoredObject", "cloudboxes",
    "cname", "cors", "dataPipeline", "delete", "encryption", "httpsConfig", "inventory",
    "legalHold", "lifecycle", "live", "location", "logging", "metaQuery",
    "metadataConfiguration", "metadataInventoryTable", "metadataJournalTable", "objectMeta",
    "objectWorm", "overwriteConfig", "policy", "policyStatus", "publicAccessBlock", "qos",
    "quota", "redundancyTransition", "referer", "regions", "replication", "replicationLocation",
    "replicationProgress", "requestPayment", "resourceGroup", "restore", "retention", "rtc",
    "seal", "stat", "style", "symlink", "tagging", "transferAcceleration", "uploadId", "uploads",
    "userDefinedLogFieldsConfig", "versioning", "versions", "website", "worm", "wormExtend",
    "wormId", "x-oss-async-process", "x-oss-process",
}  # fmt: skip
"""Sub-resources of OSS: one that is not in a table above is refused, never mistaken for another.

Sources: the API reference; the sub-resources that the vendor's SDK sends.
"""
_PLAIN = {
    "callback-var", "comp", "continuation-token", "delimiter", "encoding-type", "fetch-owner",
    "group", "key-marker", "list-type", "marker", "max-keys", "max-parts", "max-uploads",
    "part-number-marker", "partNumber", "position", "prefix", "start-after", "upload-id-marker",
    "version-id-marker", "versionId",
}  # fmt: skip
"""Parameters that choose no operation. An unknown one without a value is taken for a sub-resource
that came after this list; one with a value, for something that is not meant for OSS.
"""

_PLAIN_STARTS = ("x-oss-", "response-", "OSSAccessKeyId", "Expires", "Signature", "security-token")


def find_operation(request: OssRequest) -> Operation:
    """Return the operation of a request.

    Raises:
        OssError: the method does not exist there, or the stand-in does not know the sub-resource.
    """
    if request.header("x-oss-copy-source") and request.method == "PUT" and request.key:
        return _COPIES[request.has("uploadId")]
    level, table = _level(request)
    sub = _sub_resource(request)
    found = table.get((request.method, sub))
    if found is not None:
        return found
    if sub and not any(known == sub for _, known in table):
        raise not_implemented(f"{request.method} ?{sub} on a {level.lower()}")
    raise method_not_allowed(request.method, level)


def _level(request: OssRequest) -> tuple[str, dict[tuple[str, str], Operation]]:
    if not request.bucket:
        return "Service", _SERVICE
    if not request.key:
        return "Bucket", _BUCKET
    return "Object", _OBJECT


def _sub_resource(request: OssRequest) -> str:
    if request.query("list-type") == "2" and not request.key:
        return "list-type"
    return next((name for name, value in request.pairs if _is_sub_resource(name, value)), "")


def _is_sub_resource(name: str, value: str) -> bool:
    return name in _KNOWN or not (value or name in _PLAIN or name.startswith(_PLAIN_STARTS))
