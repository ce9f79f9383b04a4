"""Processes over records: the life of a device by orders, and any other process the model declares.

The model says which states there are, who may take which transition, what it needs, which guards may refuse
it and what it does (``schema.processes``). `engine` carries that out: it reads, decides, and commits one change
set based on what it has read, so that no guard is outrun by another writer. `orders` is the door to processes
that concern many records; `ledger`, `resume`, `stocktake`, `due` and `figures` read what came of them.

It knows ``cmdb``, ``impact`` and ``schema``, and no door.
"""
