"""The configuration of the bucket: reading and changing it. Nothing is retried.

Documents are read and written as they are, and not through the SDK's models, which know only a
part of a lifecycle rule's elements and would drop the others.
"""

import base64
import hashlib
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from xml.etree.ElementTree import Element, ParseError, fromstring

import alibabacloud_oss_v2 as oss
from alibabacloud_oss_v2 import exceptions as sdk
from alibabacloud_oss_v2.types import OperationInput

from bot.adapters.oss.client import OssConnection
from bot.adapters.oss.connections import translated
from bot.core.errors import BucketMissing, StoreForbidden, StoreUnavailable

PRIVATE: Final = "private"
PUBLIC_READ: Final = "public-read"

_BLOCK: Final = "publicAccessBlock"


@dataclass(frozen=True, slots=True)
class BucketInfo:
    """Properties of a bucket. `owner` is the account's id, `versioning` is "", "Enabled" or
    "Suspended", `redundancy` "LRS" or "ZRS".
    """

    region: str
    owner: str
    acl: str
    versioning: str
    redundancy: str


class BucketAdministration:
    """Reads and changes the configuration of one bucket. Thread-safe; every method blocks.

    Every method may raise the errors of `ObjectStore`; `StoreForbidden` if the key lacks the
    permission.
    """

    def __init__(self, connection: OssConnection) -> None:
        self._client = connection.client
        self._bucket = connection.address.bucket

    def info(self) -> BucketInfo | None:
        """Return the properties of the bucket, `None` if there is no bucket of this name and OSS
        knows the key: it looks for the bucket first, and answers alike to any key.
        """
        try:
            with translated():
                tree = _xml(self._invoke("GetBucketInfo", "GET", "bucketInfo"))
        except BucketMissing:
            self.require_known_key()
            return None
        return BucketInfo(
            region=_text(tree, "Bucket/Location").removeprefix("oss-"),
            owner=_text(tree, "Bucket/Owner/ID"),
            acl=_text(tree, "Bucket/AccessControlList/Grant"),
            versioning=_text(tree, "Bucket/Versioning"),
            redundancy=_text(tree, "Bucket/DataRedundancyType"),
        )

    def create(self) -> None:
        """Create the bucket: private, locally redundant. Some consoles and clients make a
        zone-redundant one by default, which costs more and cannot be changed back.
        """
        configuration = oss.CreateBucketConfiguration(
            storage_class="Standard", data_redundancy_type="LRS"
        )
        request = oss.PutBucketRequest(
            bucket=self._bucket, acl=PRIVATE, create_bucket_configuration=configuration
        )
        with translated():
            self._client.put_bucket(request)

    def set_acl(self, acl: str) -> None:
        """Set the ACL; a public one is refused while public access is blocked."""
        with translated():
            self._client.put_bucket_acl(oss.PutBucketAclRequest(bucket=self._bucket, acl=acl))

    def blocks_public_access(self) -> bool:
        """Whether the bucket itself blocks public access."""
        with translated():
            return _blocked(self._invoke("GetBucketPublicAccessBlock", "GET", _BLOCK))

    def account_blocks_public_access(self) -> bool:
        """Whether the whole account blocks public access; this overrides the bucket's setting."""
        with translated():
            return _blocked(self._invoke("GetPublicAccessBlock", "GET", _BLOCK, bucket=None))

    def require_known_key(self) -> None:
        """Raise `StoreKeyRefused` if OSS does not know the key, by a call that names no bucket."""
        # A key that lacks this right is known.
        with suppress(StoreForbidden):
            self.account_blocks_public_access()

    def set_public_access_block(self, *, blocked: bool) -> None:
        """Block public access to the bucket, or lift the block."""
        document = (
            "<PublicAccessBlockConfiguration>"
            f"<BlockPublicAccess>{str(blocked).lower()}</BlockPublicAccess>"
            "</PublicAccessBlockConfiguration>"
        )
        with translated():
            self._put("PutBucketPublicAccessBlock", _BLOCK, document.encode())

    def policy(self) -> str | None:
        """Return the policy as it was stored, or `None`."""
        found = self._read("GetBucketPolicy", "policy", absent="NoSuchBucketPolicy")
        return None if found is None else found.decode("utf-8", "replace")

    def policy_is_public(self) -> bool:
        """Whether the policy grants something to everyone, as OSS itself judges it."""
        with translated():
            tree = _xml(self._invoke("GetBucketPolicyStatus", "GET", "policyStatus"))
        return _text(tree, "IsPublic").lower() == "true"

    def put_policy(self, text: str | None) -> None:
        """Replace the policy; `None` deletes it."""
        with translated():
            if text is None:
                self._invoke("DeleteBucketPolicy", "DELETE", "policy")
            else:
                self._put("PutBucketPolicy", "policy", text.encode())

    def lifecycle(self) -> bytes | None:
        """Return all lifecycle rules as one XML document, or `None`."""
        return self._read("GetBucketLifecycle", "lifecycle", absent="NoSuchLifecycle")

    def put_lifecycle(self, document: bytes | None, *, overlaps: bool = False) -> None:
        """Replace all lifecycle rules; `None` deletes them. `overlaps` allows prefixes of
        different rules to overlap.
        """
        more = {"x-oss-allow-same-action-overlap": "true"} if overlaps else {}
        with translated():
            if document is None:
                self._invoke("DeleteBucketLifecycle", "DELETE", "lifecycle")
            else:
                self._put("PutBucketLifecycle", "lifecycle", document, more)

    def _read(self, name: str, sub_resource: str, *, absent: str) -> bytes | None:
        with translated():
            try:
                return self._invoke(name, "GET", sub_resource)
            except sdk.OperationError as error:
                if _code(error) == absent:
                    return None
                raise

    def _put(
        self, name: str, sub_resource: str, body: bytes, more: dict[str, str] | None = None
    ) -> None:
        md5 = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        headers = {"Content-Type": "application/xml", "Content-MD5": md5, **(more or {})}
        self._invoke(name, "PUT", sub_resource, body=body, headers=headers)

    def _invoke(self, name: str, method: str, sub_resource: str, **more: Any) -> bytes:
        output = self._client.invoke_operation(
            OperationInput(
                op_name=name,
                method=method,
                parameters={sub_resource: ""},
                op_metadata={"sub-resource": [sub_resource]},
                **{"bucket": self._bucket, **more},
            )
        )
        if output.http_response is None:
            raise StoreUnavailable(f"{name}: there is no answer")
        content: bytes = output.http_response.content
        return content


def _code(error: sdk.OperationError) -> str:
    reason = error.unwrap()
    return str(reason.code) if isinstance(reason, sdk.ServiceError) else ""


def _xml(document: bytes) -> Element:
    try:
        return fromstring(document)  # noqa: S314 - OSS's own answer over a signed connection.
    except ParseError:
        raise StoreUnavailable("the answer of OSS cannot be read") from None


def _text(tree: Element, path: str) -> str:
    return (tree.findtext(path) or "").strip()


def _blocked(document: bytes) -> bool:
    return _text(_xml(document), "BlockPublicAccess").lower() == "true"
