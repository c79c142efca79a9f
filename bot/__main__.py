"""`python -m bot` is `relay-bot`."""

from bot.cli.main import main

main()
