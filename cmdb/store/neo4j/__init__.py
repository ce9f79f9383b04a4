"""The production store: Neo4j 5.26 or newer, through the official driver.

The only place with Cypher in it. The live graph is natural: a server is
``(:Record:ConfigurationItem:Hardware:Computer:Server {id, revision, name, …})`` and its
relationships are native. Everything else stands beside it under labels that begin with an
underscore: ``_Store`` (three nodes: the state, which the writer locks, the clock, and what who sets a
mark locks), ``_Revision``, ``_Model``, ``_RecordImage`` and ``_RelationshipImage`` (earlier states, as
nodes of their own); ``_Mark``; ``_Journal``, which who appends locks, and ``_Entry``.

Neo4j lets a reader see a transaction while it is being committed, piece by piece. Here no reader
does. A writer *announces* its revision on the clock, then writes images, live graph and revision, then
*publishes* it, each in a transaction of its own. A statement that finds the clock quiet at its start
and at its end has read between two commits; any other is repeated, in the end under the writers' lock
(docs/decisions/0007).

``connections`` opens drivers, retries and translates errors; ``database`` sends statements and keeps
the clock; ``properties`` turns values into properties and back; ``statements`` are the fixed and the
compiled writes; ``compiling`` makes Cypher of parsed queries; ``writing`` is the write transaction;
``history`` reads the past, ``aside`` keeps marks and journals, ``topology`` all that depends on one another; ``store`` answers the contract.
"""
