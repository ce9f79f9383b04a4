"""Speed and size, measured against the bare stores in the same run: ``python -m bench``.

A benchmark informs, it is no test: each figure stands beside what the bare driver or ``sqlite3``
needs for the same work on the same machine in the same minutes, and beside the bound it is meant
to keep.

``estate`` makes the data, ``bare`` is the hand-written counterpart of each store, ``measuring`` holds
figures; ``loading``, ``reading`` and ``opening`` are what is measured. Knows the public face of
``cmdb`` and ``schema``, and the servers of ``tests.support``.
"""
