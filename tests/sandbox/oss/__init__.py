"""Tests of the OSS stand-in; the official SDK is the oracle."""
