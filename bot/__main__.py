"""`python -m bot` is `relay-bot`."""

from bot.cli import main

main()
