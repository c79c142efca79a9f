"""The HTTP side: what watches the bot, and Telegram's webhook, on one port."""
