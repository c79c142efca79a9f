"""Which boot of the machine this is."""

from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Return an id that changes at every boot; empty where the system tells none.

    Bytes in a file that were written before a reboot may never have reached the disk, whatever its
    size says (source: `man 5 proc`, random/boot_id).
    """
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""
