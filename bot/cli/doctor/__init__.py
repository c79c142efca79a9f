"""`relay-bot doctor`: checks of everything the bot depends on, each with a remedy."""
