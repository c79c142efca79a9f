"""The ledger in SQLite: jobs, deadlines and pending messages. The only package that imports
`sqlalchemy`.
"""
