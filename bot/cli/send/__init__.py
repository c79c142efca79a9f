"""`relay-bot send`: the same relay as in a chat, from a shell."""
