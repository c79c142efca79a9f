"""Use cases for incoming files, commands, button presses and group changes. They write the ledger
and make no network call; a request that needs an answer of Telegram first is deferred.

Every method is safe to repeat for a redelivered update.
"""
