"""The files for running the bot in production, checked against the program."""
