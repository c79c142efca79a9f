"""Clients that the stand-in was not written for, and a Telegram that nobody here wrote."""
