"""A small typed client of the server, for tools in Python and for the command line.

It may know only `schema` (the tree of errors); what it gives are plain values.

>>> from client import Client
>>> client = Client("https://cmdb.example", token="cmdb_…")      # doctest: +SKIP
>>> for server in client.records("Server", {"cpu_count": {"gte": 8}}):   # doctest: +SKIP
...     print(server.name, server.attributes["cpu_count"])
"""

from client.client import Change, Client, Found, Page
from client.errors import ServerError, UnreachableError

__all__ = ["Change", "Client", "Found", "Page", "ServerError", "UnreachableError"]
