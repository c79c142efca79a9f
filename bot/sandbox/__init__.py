"""Loopback stand-ins for Telegram and OSS: strict, shaped, faulty on request, with a memory.

A product of its own: real HTTP servers that any client can use, in-process or as `relay-bot
sandbox`. Nothing here imports an adapter, because a stand-in that shares code with what it checks
proves nothing.
"""
