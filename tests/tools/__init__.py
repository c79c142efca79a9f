"""Measurements of the program's structure: modules executed per request, words, sizes, imports.

Each module is a command (`python -m tests.tools.structure`); `tests/test_structure.py` holds the
bars. Nothing here names a module of `bot` except the stand-ins and the demo's stage.
"""
