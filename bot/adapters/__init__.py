"""Adapters to external systems, one package or module for each."""
