"""Benchmarks: ratios of one run, never a bare time."""
