"""Tests of the setup of a bucket."""
