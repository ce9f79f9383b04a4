"""The store contract (`GraphStore`) and the one place where a URL becomes a store.

``sqlite:///path`` is the embedded default, ``neo4j://`` and ``bolt://`` (with ``+s`` or ``+ssc``)
what production runs on. Cypher stands only under ``cmdb.store.neo4j``, SQL only under
``cmdb.store.sqlite``; no driver object crosses this boundary.
"""

from cmdb.store.base import GraphStore
from cmdb.store.deadlines import Deadline
from cmdb.store.opening import create_store, open_store

__all__ = ["Deadline", "GraphStore", "create_store", "open_store"]
