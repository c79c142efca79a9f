"""Pure core: types, rules and contracts. Standard library only; no I/O, no clock, no asyncio
loop.
"""
