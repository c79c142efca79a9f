"""`relay-bot setup`: configures the bucket for the bot; changes nothing else unasked."""
