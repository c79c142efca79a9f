"""What the bot sends: answers, outbox and status messages, within Telegram's rate limits."""
