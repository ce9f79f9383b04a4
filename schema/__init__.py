"""The model as data: record types, relationship types, impact rules, identification rules, state machines.

Pure: it knows no store, no query and no door. Declarations are read from YAML (``schema.loading``),
checked as a whole (``schema.checks``) and become one frozen `Model` (``schema.model``) from which
everything else follows: validation, constraints, indexes, GraphQL and documentation.
"""
