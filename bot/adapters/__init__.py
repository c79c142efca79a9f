"""Where the outside world is spoken to, one package for each part of it."""
