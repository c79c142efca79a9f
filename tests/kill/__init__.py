"""The bot as a process that is stopped and killed."""
