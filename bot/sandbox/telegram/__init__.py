"""The Bot API stand-in: a server, and a side from which to act as a user."""
