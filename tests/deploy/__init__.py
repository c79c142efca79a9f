"""What an operator gets to run the bot for good, held against the program."""
