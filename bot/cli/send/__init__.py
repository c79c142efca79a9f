"""`relay-bot send`: relays files from a shell, in the same way as from a chat."""
