"""`relay-bot init`: from nothing to a checked settings file."""
