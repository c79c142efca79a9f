"""Contracts between the layers: guarantees of each side, and the errors raised."""
