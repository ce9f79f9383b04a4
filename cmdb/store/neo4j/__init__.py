"""The production store: Neo4j 5.26 or newer, through the official driver.

The only place with Cypher in it. The live graph is natural: a server is
``(:Record:ConfigurationItem:Hardware:Computer:Server {id, revision, name, …})`` and its
relationships are native. Everything else stands beside it under labels that begin with an
underscore: ``_Store`` (one node: format and newest revision, locked by the writer), ``_Revision``,
``_Model``, ``_RecordImage`` and ``_RelationshipImage`` (earlier states, as nodes of their own).

``connections`` opens drivers, retries and translates errors; ``properties`` turns values into
properties and back; ``statements`` are the fixed and the compiled writes; ``compiling`` makes Cypher
of parsed queries; ``writing`` is the write transaction; ``store`` answers the contract.
"""
