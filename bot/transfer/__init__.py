"""Threads and disk: everything that moves bytes between the spool and the network."""
