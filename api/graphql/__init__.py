"""The GraphQL schema: made from the model, and thin.

A field reads a value, or calls a service; no rule of the business, no permission and no query text
stands here. Whatever the number of records, a level of a selection costs one statement (`levels`).
"""
