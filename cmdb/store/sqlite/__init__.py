"""The embedded store: one SQLite file, used by several threads and processes at once.

The only place with SQL in it. ``tables`` has the layout and its migrations, ``compiling`` makes SQL
of parsed queries, ``writing`` is the write transaction, ``search`` the full-text index, ``store``
answers the contract.
"""
