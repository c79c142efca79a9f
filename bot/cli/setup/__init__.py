"""`relay-bot setup`: makes the bucket what the bot needs; changes nothing else unasked."""
