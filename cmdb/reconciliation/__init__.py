"""Reconciliation: what sources report becomes one truthful graph.

Observations are what an importer says; identification finds the record each is about; planning
works out, by precedence, what that changes; applying commits it. Everything a source said is kept
with the record it said it of (the managed attribute ``provenance``), so that it can be explained,
recomputed and undone.
"""
