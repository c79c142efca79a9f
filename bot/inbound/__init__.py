"""Use cases of what people send: files, commands, button presses, groups. Writes the ledger and
calls no network; what needs an answer of Telegram first becomes a deferred request.

Every method is safe to repeat for a redelivered update.
"""
