"""The history of the schema, oldest first. A released migration is never changed."""
