"""The only package that imports `sqlalchemy`: jobs, deadlines and what must still be said."""
