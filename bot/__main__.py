"""Entry point of `python -m bot`, the same as `relay-bot`."""

from bot.cli.main import main

main()
