"""What the garbage collector need not look at."""

import gc


def settle_heap() -> None:
    """Tell the garbage collector that everything there is now stays for good.

    Libraries and the assembled bot are about 150,000 objects. A full collection walks through all
    of them and keeps the interpreter's lock meanwhile, which holds up the event loop by 100 ms and
    more, in the middle of transfers. Once they are set apart it takes a few milliseconds.

    Blocks for about as long as one such collection. For whoever owns the process, once, at the end
    of its start: objects that end later are still freed, but cycles among these are not.
    """
    gc.collect()
    gc.freeze()
