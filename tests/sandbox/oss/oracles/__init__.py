"""Clients of OSS that were not written here, as oracles for the stand-in."""
