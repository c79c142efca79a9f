"""Construction: what is opened (`resources`), what is monitored, and the bot that runs on both."""
