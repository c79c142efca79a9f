"""Fakes with memory: real semantics, a record of what happened, failures at a chosen step."""
