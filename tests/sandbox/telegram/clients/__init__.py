"""Clients that the stand-in was not written for, and a Telegram by other authors."""
