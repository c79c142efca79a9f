"""What policies allow."""

from bot.adapters.oss.policies import Policy


def actions_of(policy: Policy) -> set[str]:
    """Return every action that a policy names."""
    return {action for statement in policy["Statement"] for action in statement["Action"]}
