"""Contracts between the layers: what each side guarantees, which errors it raises."""
