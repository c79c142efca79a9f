"""The commands of `relay-bot`, one module or package each, with the operations they run."""
