"""Seeded mutations of what Telegram sends, through the real application."""
