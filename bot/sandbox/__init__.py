"""Loopback stand-ins for Telegram and OSS: strict HTTP servers with latency, faults and a log.

Any client can use them, in the same process or as `relay-bot sandbox`. Nothing here imports an
adapter: a stand-in that shares code with the code under test proves nothing.

Shared, and used by both halves (imports go from the bottom to the top):

    clock  faults  origin  request_log  shaping
    server     start, stop, port, control calls: the base of both stand-ins
    control    control verbs over HTTP that both have, and the base for their own
    remote     client of the control verbs, for other processes
    run        both stand-ins as one process

Both halves, `telegram` and `oss`, have the same modules and the same order of imports:

    stand_in   the class that tests hold: the server, and what they add and look at
    remote     the same verbs from another process
    control    control verbs of this half
    exchange   one HTTP request and its answer: log, faults, dispatch
    methods/ (Telegram), dispatch and its handlers (OSS): functions of a `World` and a request
    world      the state of the service
    model      plain data that holds no reference to its owner or to the world
    errors     refusals, as the real service words them
"""
