"""The OSS stand-in: a server that checks signatures, sums and rules as the real one does."""
