"""Importers: one module a source format. Each reads documents and yields observations.

They know the model and the observations of `cmdb.reconciliation`, nothing of stores. Reading
(`importers.reading`) is apart from interpreting, so that a live client is one more reader. An
importer is found by its entry point in the group ``cmdb.importers``; those of other packages come in
by the same door (`importers.registry`).
"""
