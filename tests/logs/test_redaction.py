"""Nothing secret survives, everything else does."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.logs import HIDDEN, RedactingFilter, Redactor

TOKEN = "123456789:AAE-invented_token_of_a_bot_0123456"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"POST https://api.telegram.org/bot{TOKEN}/getMe", f"bot{HIDDEN}/getMe"),
        (f"GET /file/bot{TOKEN.replace(':', '%3A')}/documents/a.pdf", f"bot{HIDDEN}/documents"),
        ("?x-oss-signature=77dbf6a2&x-oss-expires=3600", f"={HIDDEN}&x-oss-expires=3600"),
        (
            "x-oss-credential=LTAI%2F20261123%2Fcn%2Foss%2Faliyun_v4_request HTTP",
            f"={HIDDEN} HTTP",
        ),
        ("x-oss-security-token=CAIS%2Bx", f"x-oss-security-token={HIDDEN}"),
        ("'security-token': 'CAISabc'", f"'security-token': '{HIDDEN}'"),
        ("?OSSAccessKeyId=LTAIx&Expires=1&Signature=a%2Bb%3D", f"&Expires=1&Signature={HIDDEN}"),
        (
            "Authorization: OSS4-HMAC-SHA256 Credential=LTAI/20261123/x,Signature=abc0",
            f"OSS4-HMAC-SHA256 Credential={HIDDEN},Signature={HIDDEN}",
        ),
        ("Authorization: OSS LTAIx:nxj7dtl1c24jwhcyl5hpvnhi3COM=", f"OSS LTAIx:{HIDDEN}"),
        ("url%3Dhttps%26x-oss-signature%3D77dbf6a2", f"x-oss-signature%3D{HIDDEN}"),
        ("socks5://me:hunter2@10.0.0.1:1080 refused", f"socks5://{HIDDEN}@10.0.0.1:1080 refused"),
        ("key=relay/42/AbCdEfGhIjKlMnOpQrStUv/a.pdf", "key=relay/42/AbCd…/a.pdf"),
    ],
)
def test_by_shape(text: str, expected: str) -> None:
    """Text that looks like a secret is hidden, for every writer and encoding."""
    assert Redactor().redact(text).endswith(expected) or expected in Redactor().redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "12:30:45 uploaded 3 parts",
        "x-oss-signature-version=OSS4-HMAC-SHA256",
        "10.0.0.1:8081 answered",
        "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "SignatureDoesNotMatch",
        "relay/42/ is the prefix",
        "https://example.com/a@b",
    ],
)
def test_harmless(text: str) -> None:
    """What an operator needs to read stays readable."""
    assert text == Redactor().redact(text)


def test_registered_values() -> None:
    """A value that was registered goes, also percent-encoded, and the longest first."""
    redactor = Redactor(["pass/word", "pass/word-and-more"])

    assert f"{HIDDEN} {HIDDEN} {HIDDEN}" == redactor.redact(
        "pass/word pass/word-and-more pass%2Fword"
    )


def test_short_values_are_ignored() -> None:
    """An empty or tiny "secret" must not blank out the log."""
    assert Redactor(["", "a"]).redact("a line") == "a line"


@given(st.text(min_size=4, max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_registered_values_never_survive(secret: str, before: str, after: str) -> None:
    """A registered value is not in the line, for all text around it."""
    redacted = Redactor([secret]).redact(before + secret + after)

    # The mark itself may happen to contain it.
    assert secret not in redacted.replace(HIDDEN, "") or secret in HIDDEN


def test_process_reaches_everything() -> None:
    """Strings are redacted at any depth, other objects by their repr; plain values stay."""

    class Request:
        def __repr__(self) -> str:
            return f"<Request bot{TOKEN}>"

    event = {"event": "x", "n": 3, "deep": {"urls": [f"bot{TOKEN}"]}, "request": Request()}

    assert Redactor().process(None, "info", event) == {
        "event": "x",
        "n": 3,
        "deep": {"urls": [f"bot{HIDDEN}"]},
        "request": f"<Request bot{HIDDEN}>",
    }


def test_no_secret_in_repr() -> None:
    """The redactor does not give away what it knows."""
    assert "hunter2" not in repr(Redactor(["hunter2"]))


def filtered(message: object, *args: object, error: Exception | None = None) -> str:
    """Send a record through the filter and the plainest formatter."""
    exc_info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("x", logging.INFO, "", 1, message, args, exc_info)
    assert RedactingFilter(Redactor(["hunter2"])).filter(record)
    return logging.Formatter().format(record)


def test_filter_redacts_arguments() -> None:
    """A secret that comes as an argument of the message is found."""
    assert filtered("sent to %s", f"bot{TOKEN}") == f"sent to bot{HIDDEN}"


def test_filter_redacts_tracebacks() -> None:
    """A secret in an exception, or in its cause, is found."""

    cause = OSError(f"bot{TOKEN}")
    error = ValueError("hunter2")
    error.__cause__ = cause

    text = filtered("failed", error=error)

    assert f"OSError: bot{HIDDEN}" in text
    assert f"ValueError: {HIDDEN}" in text


def test_filter_survives_bad_calls() -> None:
    """A call with arguments that do not fit its message still gets its line, redacted."""
    assert filtered("%d items", "hunter2") == f"%d items ('{HIDDEN}',)"


def test_renewed_secrets() -> None:
    """A key that comes later is hidden too; only the last ones are remembered."""
    redactor = Redactor(["from-the-start"])
    for number in range(20):
        redactor.add_renewed([f"secret-<{number}>", f"token-<{number}>"])

    assert redactor.redact("from-the-start secret-<19> token-<13>") == " ".join([HIDDEN] * 3)
    assert redactor.redact("secret-<0>") == "secret-<0>"
