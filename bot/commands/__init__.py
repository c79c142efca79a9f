"""The commands of an operator, one module each: read the line, call an operation, print."""
