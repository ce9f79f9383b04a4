"""Records, change sets, revisions and the stores that keep them.

Knows the model (``schema``) and nothing of impact, lifecycle, processes or doors. `cmdb.store.open_store`
is the one place where a URL becomes a store; everything else works with the `GraphStore` protocol.
"""
