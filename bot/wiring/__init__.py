"""Construction: `resources` is what is opened, `bot` is what runs on it."""
