"""The server: GraphQL, webhooks, sign-in. A door: it holds no rule of the business.

It may know every part but the command line. A resolver calls a service or a loader; who may do what
is decided in `api.access`, under every door.
"""
