"""Error answers of OSS: status, code, message, EC and further children of the error document.

Sources: the error pages of the OSS documentation named by their EC (0002-00000902 and so on), and
documents of the live service as quoted in public reports. An EC that no source gives is left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.sandbox.oss.xml import Node, document


@dataclass
class OssError(Exception):
    """An error answer; `details` become children of the error document."""

    status: int
    code: str
    message: str
    ec: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    def body(self, request_id: str, host: str) -> bytes:
        """Return the error document."""
        children: list[Node] = [
            ("Code", self.code),
            ("Message", self.message),
            ("RequestId", request_id),
            ("HostId", host),
            *self.details.items(),
        ]
        if self.ec:
            doc = f"https://api.aliyun.com/troubleshoot?q={self.ec}"
            children += [("EC", self.ec), ("RecommendDoc", doc)]
        return document("Error", children)


def access_denied(message: str, ec: str = "", **details: str) -> OssError:
    """Return the 403 for a request that is signed correctly but not allowed."""
    return OssError(403, "AccessDenied", message, ec, details)


def invalid_argument(message: str, name: str, value: str, ec: str = "") -> OssError:
    """Return the 400 for one bad parameter or header."""
    details = {"ArgumentName": name, "ArgumentValue": value}
    return OssError(400, "InvalidArgument", message, ec, details)


def malformed_xml(ec: str = "") -> OssError:
    """Return the 400 for a body that is no XML, or not the XML that was expected."""
    message = (
        "The XML you provided was not well-formed or "
        "did not validate against our published schema."
    )
    return OssError(400, "MalformedXML", message, ec)


def no_such_bucket(name: str) -> OssError:
    """Return the 404 for a bucket that does not exist."""
    details = {"BucketName": name}
    message = "The specified bucket does not exist."
    return OssError(404, "NoSuchBucket", message, "0015-00000101", details)


def no_such_key(key: str) -> OssError:
    """Return the 404 for an object that does not exist."""
    message = "The specified key does not exist."
    return OssError(404, "NoSuchKey", message, "0026-00000001", {"Key": key})


def no_such_upload(upload_id: str) -> OssError:
    """Return the 404 for an upload that was completed, aborted or never initiated."""
    message = (
        "The specified upload does not exist. The upload ID may be invalid, "
        "or the upload may have been aborted or completed."
    )
    return OssError(404, "NoSuchUpload", message, "0017-00000244", {"UploadId": upload_id})


def wrong_endpoint(bucket: str, region: str) -> OssError:
    """Return the 403 for a bucket that lives in another region."""
    message = (
        "The bucket you are attempting to access must be addressed using the specified endpoint. "
        "Please send all future requests to this endpoint."
    )
    endpoint = f"oss-{region}.aliyuncs.com"
    return access_denied(message, "0003-00001403", Bucket=bucket, Endpoint=endpoint)


def too_large(limit: int, got: int) -> OssError:
    """Return the 400 for a body over the limit (bytes)."""
    details = {"MaxSizeAllowed": str(limit), "ProposedSize": str(got)}
    message = "Your proposed upload exceeds the maximum allowed object size."
    return OssError(400, "EntityTooLarge", message, details=details)


def invalid_digest(digest: str) -> OssError:
    """Return the 400 for a Content-MD5 that is not that of the body."""
    message = "The Content-MD5 you specified was invalid."
    return OssError(400, "InvalidDigest", message, details={"Content-MD5": digest})


def file_exists(key: str) -> OssError:
    """Return the 409 for an overwrite that the client itself forbade."""
    message = "The object you specified already exists and can not be overwritten."
    return OssError(409, "FileAlreadyExists", message, "0026-00000002", {"Key": key})


def file_immutable() -> OssError:
    """Return the 409 for a change of an object that a retention policy protects.

    Source: OSS documentation, 0026-00000202 and "Retention policies".
    """
    return OssError(409, "FileImmutable", "The object is immutable.", "0026-00000202")


def archived(key: str) -> OssError:
    """Return the 403 for the content of an archived object.

    Source: OSS documentation, "HTTP status code 403", InvalidObjectState.
    """
    message = "The operation is not valid for the object's state"
    return OssError(403, "InvalidObjectState", message, details={"ObjectName": key})


def missing_argument() -> OssError:
    """Return the 400 for a request that lacks something it needs."""
    message = "Missing Some Required Arguments."
    return OssError(400, "MissingArgument", message, "0016-00000502")


def method_not_allowed(method: str, resource: str) -> OssError:
    """Return the 405 for a method that the resource does not have."""
    message = "The specified method is not allowed against this resource."
    details = {"Method": method, "ResourceType": resource}
    return OssError(405, "MethodNotAllowed", message, details=details)


def not_implemented(what: str) -> OssError:
    """Return the 501 for a feature that this stand-in lacks; the message says so."""
    message = f"This stand-in does not implement {what}."
    return OssError(501, "NotImplemented", message)
