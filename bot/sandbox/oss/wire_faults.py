"""Apply faults to requests of OSS: refuse, answer as something in between, change the answer."""

import re
from typing import Final

from bot.sandbox.faults import Effect, Fault, proxy_page
from bot.sandbox.oss.errors import OssError, access_denied
from bot.sandbox.oss.model import Answer
from bot.sandbox.oss.operations import Operation
from bot.sandbox.oss.request import OssRequest

CODES: Final = {
    403: "AccessDenied",
    404: "NoSuchKey",
    500: "InternalError",
    503: "ServiceUnavailable",
}
CRC: Final = "x-oss-hash-crc64ecma"
OWN: Final = frozenset(
    {"status", "code", "description", "message", "ec", "close", "body", "applied"}
)


def requested_error(fault: Fault) -> OssError:
    """Return the error that an `ERROR` fault asks for; unknown arguments become headers."""
    args = fault.args
    status = int(args.get("status", 500))
    code = str(args.get("code") or CODES.get(status, "InternalError"))
    message = str(args.get("message") or args.get("description") or "As the script says.")
    return OssError(status, code, message, str(args.get("ec", "")), headers=_headers(fault))


def _headers(fault: Fault) -> dict[str, str]:
    return {name: str(value) for name, value in fault.args.items() if name not in OWN}


def page_of(fault: Fault) -> Answer:
    """Return the answer of a proxy: none of its headers is one of OSS."""
    status = int(fault.args.get("status", 502))
    body = str(fault.args.get("body", proxy_page(status))).encode()
    return Answer(status, {"Content-Type": "text/html", **_headers(fault)}, body)


def check_undeleted(fault: Fault | None, operation: Operation, request: OssRequest) -> None:
    """Refuse to delete the object that a fault keeps.

    Raises:
        OssError: AccessDenied.
    """
    if operation.name == "DeleteObject" and request.key in kept_keys(fault):
        raise access_denied("You have no right to access this object.", "0003-00000005")


def kept_keys(fault: Fault | None) -> frozenset[str]:
    """Return the keys that DeleteMultipleObjects must not delete."""
    if fault is None or fault.effect is not Effect.UNDELETED:
        return frozenset()
    return frozenset({str(fault.args["key"])})


def change_answer(fault: Fault | None, answer: Answer) -> None:
    """Falsify the CRC of an answer, or leave something out of it."""
    if fault is None:
        return
    if fault.effect is Effect.WRONG_CRC and CRC in answer.headers:
        answer.headers[CRC] = str(int(answer.headers[CRC]) ^ 1)
    if fault.effect is Effect.WITHOUT:
        _leave_out(str(fault.args["name"]), answer)


def _leave_out(name: str, answer: Answer) -> None:
    for header in list(answer.headers):
        if header.lower() == name.lower():
            del answer.headers[header]
    element = re.escape(name).encode()
    answer.body = re.sub(b"<%b>[^<]*</%b>" % (element, element), b"", answer.body)
