"""Parameters: what is decoded, what stays text, and where the server is lenient."""

import pytest

from bot.sandbox.telegram.errors import ApiError
from bot.sandbox.telegram.params import Params


def params_of(**raw: str) -> Params:
    """Return parameters as a form carries them."""
    params = Params()
    for name, value in raw.items():
        params.add(name, value)
    return params


def test_decoded() -> None:
    """Numbers, Booleans and JSON are decoded; texts, names and broken JSON stay as they came."""
    params = params_of(
        chat_id="-12",
        offset="007",
        silent="true",
        entities="[1]",
        text="12",
        markup="{x",
        who="@a",
    )

    assert params.values == {
        "chat_id": -12,
        "offset": "007",
        "silent": True,
        "entities": [1],
        "text": "12",
        "markup": "{x",
        "who": "@a",
    }


@pytest.mark.parametrize(
    ("raw", "number"), [("5", 5), ("007", 7), ("x", 3), ("-Infinity", 3), ("[1]", 3), ("null", 3)]
)
def test_integers(raw: str, number: int) -> None:
    """What is no number counts as the default."""
    assert number == params_of(limit=raw).integer("limit", 3)


@pytest.mark.parametrize(
    ("raw", "flag"), [("true", True), ("True", True), ("1", True), ("yes", True), ("0", False)]
)
def test_flags(raw: str, flag: bool) -> None:  # noqa: FBT001 (a column of the table.)
    """Three spellings are true, everything else is not."""
    assert flag is params_of(silent=raw).flag("silent")


def test_absent() -> None:
    """What is absent is empty."""
    params = params_of(entities="", reply="null")

    assert (params.text("a"), params.integer("b"), params.flag("c")) == ("", 0, False)
    assert (
        params.items("entities", "x"),
        params.mapping("reply", "x"),
        params.mapping("other", "x"),
    ) == ([], None, None)


def test_wrong_shapes() -> None:
    """An object where an array belongs is refused, and the other way round."""
    params = params_of(entities="{}", reply="[]", ids='["x"]')
    with pytest.raises(ApiError, match="can't parse MessageEntity JSON object"):
        params.items("entities", "MessageEntity")
    with pytest.raises(ApiError, match="can't parse reply parameters JSON object"):
        params.mapping("reply", "reply parameters")
    with pytest.raises(ApiError, match="can't parse message identifiers"):
        params.identifiers("ids")
