"""Our lifecycle rule among those of others."""

import pytest

from bot.adapters.oss.lifecycle import (
    RuleCoverage,
    has_foreign_rules,
    merge_rule,
    net_below,
    remove_rule,
)
from bot.core.errors import StoreRefused

PREFIX = "relay/7/"
FOREIGN = (
    b"<LifecycleConfiguration><Rule><ID>theirs</ID><Prefix>logs/</Prefix><Status>Enabled</Status>"
    b"<Filter><Not><Prefix>logs/keep/</Prefix></Not></Filter>"
    b"<Transition><Days>30</Days><StorageClass>IA</StorageClass><IsAccessTime>true</IsAccessTime>"
    b"</Transition></Rule></LifecycleConfiguration>"
)


def rule(*, prefix: str = PREFIX, status: str = "Enabled", more: str = "", days: int = 1) -> bytes:
    """Write a document with one rule that is not ours."""
    return (
        f"<LifecycleConfiguration><Rule><ID>x</ID><Prefix>{prefix}</Prefix>{more}"
        f"<Status>{status}</Status><Expiration><Days>{days}</Days></Expiration>"
        "</Rule></LifecycleConfiguration>"
    ).encode()


def test_into_nothing() -> None:
    """Without any rules ours is the only one, and covers objects and uploads."""
    merged = merge_rule(None, PREFIX, versioned=False)

    assert net_below(merged, PREFIX) == RuleCoverage(expires=True, aborts=True)
    assert not has_foreign_rules(merged, PREFIX)


def test_foreign_rules_stay_word_for_word() -> None:
    """Rules of others stay as they are, those unknown to this program included."""
    merged = merge_rule(FOREIGN, PREFIX, versioned=False)
    assert merged is not None
    theirs = FOREIGN[FOREIGN.index(b"<Rule>") : FOREIGN.index(b"</LifecycleConfiguration>")]

    assert theirs in merged
    assert has_foreign_rules(merged, PREFIX)


def test_twice_is_once() -> None:
    """A document that has our rule needs nothing."""
    merged = merge_rule(FOREIGN, PREFIX, versioned=False)

    assert merge_rule(merged, PREFIX, versioned=False) is None


def test_a_changed_rule_of_ours_is_put_right() -> None:
    """A rule of ours that was switched off is replaced, not doubled."""
    merged = merge_rule(None, PREFIX, versioned=False)
    assert merged is not None
    again = merge_rule(merged.replace(b"Enabled", b"Disabled"), PREFIX, versioned=False)

    assert again == merged


def test_old_versions_go_too() -> None:
    """In a bucket with versions our rule removes what deletions leave behind."""
    plain = merge_rule(None, PREFIX, versioned=False)
    versioned = merge_rule(plain, PREFIX, versioned=True)
    assert versioned is not None

    assert b"<NoncurrentDays>1</NoncurrentDays>" in versioned


def test_two_bots_in_one_bucket() -> None:
    """The rule of another bot is left alone like all others."""
    both = merge_rule(merge_rule(None, "relay/8/", versioned=False), PREFIX, versioned=False)

    assert remove_rule(both, PREFIX) == merge_rule(None, "relay/8/", versioned=False)


def test_taken_back() -> None:
    """Removing leaves those of others, says when none is left, and when ours was not there."""
    alone = merge_rule(None, PREFIX, versioned=False)
    merged = merge_rule(FOREIGN, PREFIX, versioned=False)
    rest = remove_rule(merged, PREFIX)
    assert rest is not None

    assert rest.endswith(FOREIGN)
    assert [remove_rule(alone, PREFIX), remove_rule(FOREIGN, PREFIX)] == [b"", None]


@pytest.mark.parametrize(
    ("document", "expires"),
    [
        (None, False),
        (rule(), True),
        (rule(prefix=""), True),
        (rule(prefix="relay/"), True),
        (rule(prefix="relay/8/"), False),
        (rule(status="Disabled"), False),
        (rule(days=3), False),
        (rule(more="<Tag><Key>a</Key><Value>b</Value></Tag>"), False),
    ],
)
def test_net(document: bytes | None, *, expires: bool) -> None:
    """A rule of any owner that covers our whole prefix within a day counts."""
    assert net_below(document, PREFIX) == RuleCoverage(expires=expires, aborts=False)


def test_unreadable() -> None:
    """A document that cannot be read is not merged: nothing is lost by guessing."""
    with pytest.raises(StoreRefused, match="cannot be read"):
        merge_rule(b"<Lifecycle", PREFIX, versioned=False)
