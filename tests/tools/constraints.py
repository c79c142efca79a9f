"""Makes a constraints file of a lock file: the versions, without hashes and comments.

`make wheel` puts it beside the wheel. A file with hashes would ask for the hash of the wheel too,
which is not known before it is built (source: pip documentation, "Secure installs").
"""

import re
import sys

PINNED = re.compile(r"^([A-Za-z0-9_.-]+==[^ \\\\]+)( *;[^\\\\]*)?")


def constraints(lock: str) -> str:
    """Return one line per pinned package of a lock file."""
    found = [PINNED.match(line) for line in lock.splitlines()]
    return "".join(f"{pin[1]}{(pin[2] or '').rstrip()}\n" for pin in found if pin)


if __name__ == "__main__":
    sys.stdout.write(constraints(sys.stdin.read()))
