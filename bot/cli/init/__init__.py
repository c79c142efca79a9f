"""`relay-bot init`: creates a checked settings file."""
