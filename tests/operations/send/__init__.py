"""Tests of sending from a shell."""
