"""The section `[limits]`: what people and groups may have relayed."""

from bot.jobs.allowance import TransferLimits
from bot.settings import types
from bot.settings.section import Section


class LimitSettings(Section):
    """Files and bytes in any 24 hours, and the bytes of one file; 0 is no limit. Those of a group
    hold for all its members together.
    """

    owner_files: types.CountOrNone = 1000
    owner_bytes: types.SizeOrNone = 0
    owner_largest: types.SizeOrNone = 0
    group_files: types.CountOrNone = 0
    group_bytes: types.SizeOrNone = 0
    group_largest: types.SizeOrNone = 0

    @property
    def owner(self) -> TransferLimits:
        """What one person may have."""
        return TransferLimits(self.owner_files, self.owner_bytes, self.owner_largest)

    @property
    def group(self) -> TransferLimits:
        """What the members of a group may have together."""
        return TransferLimits(self.group_files, self.group_bytes, self.group_largest)
