"""What a process asks of the Python interpreter so that its event loop is held up by nothing.

For whoever owns the process: both settings are the whole interpreter's.
"""

import gc
import sys
from typing import Final

TURN: Final = 0.0005
"""Seconds that a thread keeps the interpreter's lock while another one waits for it. The default
is ten times as long: whenever the loop gives the lock up for a moment, to read a socket or to
hash a block, it would have to wait so long for every upload thread that is quicker.
"""


def favour_the_loop() -> None:
    """Let threads take short turns, and set apart what is in memory now.

    Libraries and the assembled bot are about 150,000 objects. A full collection walks through all
    of them and keeps the interpreter's lock meanwhile, which holds up the event loop by 100 ms and
    more, in the middle of transfers. Once they are set apart it takes a few milliseconds.

    Blocks for about as long as one such collection. Call it once, at the end of the start: objects
    that end later are still freed, but cycles among these are not.
    """
    sys.setswitchinterval(TURN)
    gc.collect()
    gc.freeze()
