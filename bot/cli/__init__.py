"""Commands of `relay-bot`, one module or package each, with the operation behind it."""
