"""Threads and disk: transfer of bytes between the spool and the network."""
