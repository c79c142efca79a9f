"""Whole conversations: the real application, the real SDK and real HTTP between two stand-ins."""
