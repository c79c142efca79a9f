"""Rate limits of a chat and of all chats together."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import limits as bounded
from bot.core.limits import ChatRateLimit, RateLimits
from tests.fakes.flood import FloodLimits
from tests.fakes.samples import GROUP, NOW, OWNER, at

SECOND = timedelta(seconds=1)
CALLS = st.lists(
    st.tuples(st.floats(0, 5), st.booleans(), st.sampled_from([0.0, 1.0, 2.0])), max_size=150
)
"""Pauses before calls, whether each is an edit, and what it leaves for others."""


@given(CALLS, st.sampled_from([OWNER, GROUP]))
def test_budget_never_exceeds_the_limits_of_telegram(
    calls: list[tuple[float, bool, float]], chat_id: int
) -> None:
    """For all sequences of calls, a call that the limit admits is admitted by Telegram."""
    budget, limits, now = ChatRateLimit(chat_id), FloodLimits(), NOW
    for pause, is_edit, reserve in calls:
        now += timedelta(seconds=pause)
        bucket = budget.edits if is_edit else budget.messages
        if budget.take(bucket, now, reserve=reserve):
            assert limits.wait(chat_id, now, is_edit=is_edit) == 0


@pytest.mark.parametrize("chat_id", [OWNER, GROUP])
@pytest.mark.parametrize("kinds", [(False,), (True,), (True, False)])
def test_greed_exceeds_no_limit(chat_id: int, kinds: tuple[bool, ...]) -> None:
    """A sender that takes all that there is, at once and for minutes, is never refused by
    Telegram.
    """
    budget, limits, taken = ChatRateLimit(chat_id), FloodLimits(), 0
    for tenth in range(3000):
        now = at(tenth / 10)
        for is_edit in kinds:
            bucket = budget.edits if is_edit else budget.messages
            if budget.take(bucket, now):
                taken += 1
                assert limits.wait(chat_id, now, is_edit=is_edit) == 0

    assert taken >= 5 * 14


@given(st.lists(st.tuples(st.floats(0, 0.2), st.integers(1, 200), st.booleans()), max_size=300))
def test_all_chats_together_stay_below_the_overall_limit(
    calls: list[tuple[float, int, bool]],
) -> None:
    """Never more than 28 calls in any second, for all sets of chats."""
    rate_limits, taken, now = RateLimits(), list[datetime](), NOW
    for pause, chat_id, is_edit in calls:
        now += timedelta(seconds=pause)
        budget = rate_limits.of(chat_id)
        if budget.take(budget.edits if is_edit else budget.messages, now):
            taken.append(now)
    windows = [sum(t - SECOND < other <= t for other in taken) for t in taken]

    assert max(windows, default=0) <= 28


def test_refused_by_the_overall_limit_costs_the_chat_nothing() -> None:
    """The chat keeps its full rate, and learns when the call may be made."""
    rate_limits = RateLimits()
    while (busy := rate_limits.of(len(rate_limits._chats) + 1)).take(busy.messages, NOW):
        pass
    budget = rate_limits.of(OWNER)
    before = budget.messages.available(NOW)
    moment = budget.ready_at(budget.messages, NOW)

    assert not budget.take(budget.messages, NOW)
    assert before == budget.messages.available(NOW)
    assert NOW < moment < at(0.1)
    assert budget.take(budget.messages, moment)


def test_group_has_one_budget_for_messages_and_edits() -> None:
    """Telegram counts them together there."""
    group, private = ChatRateLimit(GROUP), ChatRateLimit(OWNER)

    assert group.edits is group.messages
    assert private.edits is not private.messages


def test_pause_holds_everything_back() -> None:
    """Until its end, and a shorter one does not end it."""
    budget = ChatRateLimit(OWNER)
    assert budget.ready_at(None, NOW) == NOW
    budget.pause(at(30))
    budget.pause(at(10))
    assert not budget.take(budget.messages, at(29.9))
    assert budget.ready_at(None, at(29.9)) == at(30)
    assert budget.ready_at(budget.edits, at(1)) == at(30)

    assert budget.ready_at(None, at(30)) == at(30)
    assert budget.take(budget.messages, at(30))


def test_refused_call_costs_nothing() -> None:
    """What was not taken is there for who needs less."""
    budget = ChatRateLimit(OWNER)
    before = budget.messages.available(NOW)
    assert not budget.take(budget.messages, NOW, reserve=before)

    assert budget.messages.available(NOW) == before


def test_chats_do_not_share_their_budgets() -> None:
    """All senders share the limit of a chat."""
    rate_limits = RateLimits()

    assert rate_limits.of(1) is rate_limits.of(1)
    assert rate_limits.of(1) is not rate_limits.of(2)


def test_quiet_chats_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A crowd of chats costs no memory; those that were used last are kept."""
    monkeypatch.setattr(bounded, "CAPACITY", 3)
    rate_limits = RateLimits()
    kept = rate_limits.of(1)
    for chat_id in (2, 3, 1, 4):
        rate_limits.of(chat_id)

    assert rate_limits.of(1) is kept
    assert len(rate_limits._chats) == 3
