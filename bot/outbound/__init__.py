"""Messages of the bot: answers, outbox and status messages, within Telegram's rate limits."""
