"""V4 signatures and time: how long a link lives, how far a clock may be off."""

from datetime import timedelta

import pytest

from bot.sandbox.oss.errors import OssError
from bot.sandbox.oss.model import AuthMethod
from tests.sandbox.oss.signing import NOW, arrive, authenticate, sign


@pytest.mark.parametrize(
    ("after", "code"),
    [
        (timedelta(0), None),
        (timedelta(seconds=3599, microseconds=999_999), None),
        (timedelta(seconds=3600), "Request has expired."),
        (timedelta(days=1), "Request has expired."),
        (timedelta(minutes=-15), None),
        (timedelta(minutes=-15, seconds=-1), "Request is not valid yet."),
    ],
)
def test_link_lifetime(after: timedelta, code: str | None) -> None:
    """A link works from 15 minutes before its date until its expiry, judged at arrival."""
    target, _ = sign("GET", "k", {}, {}, expires=timedelta(hours=1))
    request = arrive("GET", target, {})
    if code is None:
        assert authenticate(request, NOW + after) is AuthMethod.QUERY
        return

    with pytest.raises(OssError) as caught:
        authenticate(request, NOW + after)

    assert ("AccessDenied", code) == (caught.value.code, caught.value.message)


@pytest.mark.parametrize("minutes", [-16, -15, 0, 15, 16])
def test_header_skew(minutes: int) -> None:
    """A header signature is good for 15 minutes in both directions."""
    target, headers = sign("GET", "k", {}, {})
    request = arrive("GET", target, headers)
    now = NOW + timedelta(minutes=minutes)
    if abs(minutes) <= 15:
        assert authenticate(request, now) is AuthMethod.HEADER
        return

    with pytest.raises(OssError, match="RequestTimeTooSkewed") as caught:
        authenticate(request, now)

    assert caught.value.details["MaxAllowedSkewMilliseconds"] == "900000"
