"""Tests of making a settings file."""
