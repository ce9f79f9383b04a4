"""What decides over a server: mutations, done once each, and transitions."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final, NoReturn

from cli import services
from cli.remote.instead import not_over_server
from cli.remote.store import RemoteStore, plain
from client.client import FAILURE, RECORD
from cmdb.records import Record
from lifecycle.cases import Room
from lifecycle.engine import Choice, Engine
from lifecycle.refusals import Refusal

KINDS: Final = {
    "ID!": "alert cause change ci incident order organisation other place problem record stocktake team",
    "[ID!]!": "cis devices incidents others",
    "String!": "comment explain how idempotencyKey name person reason result source state step text transition type",
    "[String!]!": "numbers",
    "JSON!": "attributes details inputs overrides plainOperations",
    "Boolean!": "discovered dryRun major move",
    "Date!": "dueOn effectiveOn",
    "Int64!": "expectedRevision",
    "VoteDecision!": "decision",
    "UrgencyValue!": "urgency",
}
TYPES: Final = {name: kind for kind, names in KINDS.items() for name in names.split()}
"""The arguments of mutations."""
ORDERED: Final = f"... on Ordered {{ revision after: record {{ {RECORD} }} }}"
REFUSALS: Final = "refusals { subject name code message override detail }"


class RemoteEngine(Engine):
    """Has the server take records from state to state. What it has no way for is refused."""

    store: RemoteStore

    def room(self, actor: str, process: Record | None = None) -> Room:
        """What is looked at is looked at by whose token it is."""
        return super().room(self.store.me, process)

    def decide(self, *_: Any, **__: Any) -> NoReturn:
        raise not_over_server("This is decided where the store is.")

    def do(
        self, mutation: str, answer: str = ORDERED, types: Mapping[str, str] = TYPES, **given: Any
    ) -> dict[str, Any]:
        """What a mutation answers. It is done once, however often it is sent.

        Raises
        ------
        CmdbError
            As the product raises it: refused, not allowed, not found …
        """
        said = {name: value for name, value in given.items() if value is not None}
        said["idempotencyKey"] = str(uuid.uuid4())
        declared = ", ".join(f"${name}: {types[name]}" for name in said)
        handed = ", ".join(f"{name}: ${name}" for name in said)
        document = f"mutation({declared}) {{ {mutation}({handed}) {{ {answer} {FAILURE} }} }}"
        return self.store.asked(lambda client: client.mutate(document, **said))

    def revision(self, mutation: str, **given: Any) -> int:
        """The revision that a mutation made."""
        return int(self.do(mutation, **given)["revision"])

    def transition(
        self,
        id: str,
        name: str,
        actor: str,
        *,
        reason: str = "",
        inputs: Mapping[str, Any] = {},
        overrides: Mapping[str, str] = {},
        expected: int | None = None,
        effective_on: date | None = None,
    ) -> int:
        return self.revision(
            "transitionRecord",
            record=id,
            transition=name,
            inputs=dict(inputs),
            overrides=dict(overrides),
            reason=reason,
            expectedRevision=expected,
            effectiveOn=plain(effective_on),
        )

    def correct(self, id: str, state: str, actor: str, reason: str) -> int:
        return self.revision("correctState", record=id, state=state, reason=reason)

    def vote(
        self,
        id: str,
        actor: str,
        decision: str,
        comment: str = "",
        *,
        expected: int | None = None,
    ) -> int:
        assert expected is None
        return self.revision("voteOnOrder", order=id, decision=decision.upper(), comment=comment)

    def choices(self, record: Record, actor: str) -> list[Choice]:
        asked = f"query($id: ID!) {{ record(id: $id) {{ transitions {{ name {REFUSALS} }} }} }}"
        found = self.store.asked(lambda client: client.query(asked, id=record.id))["record"]
        machine = self.store.model.record_types[record.type].state_machine
        if not found or machine is None:
            return []
        ways = [(machine.transitions[t["name"]], t["refusals"]) for t in found["transitions"]]
        return [Choice(way, read_refusals(refusals)) for way, refusals in ways]

    def made(self, mutation: str, types: Mapping[str, str] = TYPES, **given: Any) -> Record:
        """The record that a mutation made, or answers with."""
        return self.store.read(self.do(mutation, types=types, **given)["after"])


@services.engine.register
def _(graph: RemoteStore) -> Engine:
    return RemoteEngine(graph)


def read_refusals(told: Iterable[Mapping[str, Any]]) -> list[Refusal]:
    """Refusals as they were told."""
    return [Refusal(**refusal) for refusal in told]
