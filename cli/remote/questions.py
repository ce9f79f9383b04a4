"""One question of a server's with lists in its answer, which are read page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from cli.remote.store import RemoteStore

PAGE: Final = 500
INFO: Final = "pageInfo { hasNextPage endCursor }"


class Questions:
    """Asks a field of GraphQL, part by part.

    Parameters
    ----------
    types
        Of the arguments there are.
    given
        The arguments; those that are None are left out.
    """

    def __init__(
        self, graph: RemoteStore, field: str, types: Mapping[str, str], given: Mapping[str, Any]
    ) -> None:
        self.graph, self.field, self.types = graph, field, types
        self.given = {name: value for name, value in given.items() if value is not None}

    def ask(self, selection: str, **more: Any) -> Any:
        """Something of the answer."""
        paging = {"first": "Int", "after": "String"} if more else {}
        kinds = {**{name: self.types[name] for name in self.given}, **paging}
        declared = ", ".join(f"${name}: {kind}" for name, kind in kinds.items())
        handed = ", ".join(f"{name}: ${name}" for name in self.given)
        document = f"""query{f"({declared})" if declared else ""} {{
            {self.field}{f"({handed})" if handed else ""} {{ {selection} }} }}"""
        given = {**self.given, **more}
        return self.graph.asked(lambda client: client.query(document, **given))[self.field]

    def about(self, selection: str, *, pinned: bool = True) -> Any:
        """What there is to know beside the lists.

        Parameters
        ----------
        pinned
            All else is asked as of the same revision.
        """
        found = self.ask(f"revision {selection}")
        if pinned:
            self.given["asOf"] = found["revision"]
        return found

    def every(
        self,
        field: str,
        selection: str,
        narrowed: str = "",
        within: Sequence[str] = (),
        size: int = PAGE,
    ) -> Iterator[Any]:
        """The items of a list, page by page.

        Parameters
        ----------
        within
            The field that the list is of, if it is not the one asked for; and around that, the type which has it.
        """
        paged = (
            f"{field}(first: $first, after: $after {narrowed}) {{ {INFO} nodes {{ {selection} }} }}"
        )
        text = paged
        for around in within:
            text = f"{around} {{ {text} }}"

        def ask(after: str | None) -> Any:
            found = self.ask(text, first=size, after=after)
            return (found[within[0]] if within else found)[field]

        for page in pages(ask):
            yield from page["nodes"]

    def edges(self, selection: str, size: int = PAGE) -> Iterator[Any]:
        """The edges of a field that is a list itself, page by page."""
        types = {**self.types, "first": "Int", "after": "String"}

        def ask(after: str | None) -> Any:
            given = {**self.given, "first": size, "after": after}
            part = Questions(self.graph, self.field, types, given)
            return part.ask(f"{INFO} edges {{ {selection} }}")

        for page in pages(ask):
            yield from page["edges"]


def about(graph: RemoteStore, id: str) -> Questions:
    """What is asked of one record."""
    return Questions(graph, "record", {"id": "ID!"}, {"id": id})


def pages(ask: Callable[[str | None], Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The pages of a list; ``ask`` gives the one behind a cursor."""
    after = None
    while True:
        yield (page := ask(after))
        if not page["pageInfo"]["hasNextPage"]:
            return
        after = page["pageInfo"]["endCursor"]


def hidden(told: Mapping[str, Any]) -> dict[str, int]:
    """How much there is that may not be seen, by organisation."""
    return {each["organisation"] or "": each["count"] for each in told["hidden"]}
