"""What the processors of the machine did, for whom."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Final, Self

TICK: Final = os.sysconf("SC_CLK_TCK")
PROCESSORS: Final = os.cpu_count() or 1


def cpu_of(pid: int) -> float:
    """Return the seconds of CPU that a process has used; 0 if there is none."""
    figures = _figures(pid)
    return (int(figures[11]) + int(figures[12])) / TICK if figures else 0.0


def cpu_of_tree(pid: int) -> float:
    """Return the seconds of CPU that a process and its children have used, those included that
    have ended.
    """
    figures = _figures(pid)
    ended = (int(figures[13]) + int(figures[14])) / TICK if figures else 0.0
    return cpu_of(pid) + ended + sum(cpu_of_tree(child) for child in _children(pid))


def _figures(pid: int) -> list[str]:
    with suppress(OSError):
        # The name of the program, in parentheses, may contain spaces.
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return []


def _children(pid: int) -> Iterator[int]:
    with suppress(OSError):
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
        yield from map(int, text.split())


def _busy() -> float:
    """Return the seconds for which processors of the machine were busy, all together."""
    first = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:]
    user, nice, system, _, _, irq, softirq, *_ = map(int, first)
    return (user + nice + system + irq + softirq) / TICK


@dataclass(frozen=True, slots=True)
class Reading:
    """A moment: its time, the CPU of the machine, and that of groups of processes."""

    at: float
    busy: float
    groups: Mapping[str, float]

    @classmethod
    def take(cls, groups: Mapping[str, Sequence[int]]) -> Self:
        """Read the figures of these processes and their children, and those of this process."""
        used = {name: sum(map(cpu_of_tree, pids)) for name, pids in groups.items()}
        return cls(perf_counter(), _busy(), {**used, "bench": process_time()})

    def share_since(self, before: Self) -> float:
        """Return the share of the machine's processors that was busy."""
        return (self.busy - before.busy) / (self.at - before.at) / PROCESSORS

    def shares_since(self, before: Self) -> dict[str, float]:
        """Return the share of the machine's processors that each group had."""
        seconds = (self.at - before.at) * PROCESSORS
        return {name: (cpu - before.groups[name]) / seconds for name, cpu in self.groups.items()}
