"""Processes and transitions over a server: it decides, and whose token it is acts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final

from cli import services
from cli.remote.engine import REFUSALS, TYPES, RemoteEngine, read_refusals
from cli.remote.questions import Questions
from cli.remote.store import RemoteStore, plain
from client.client import RECORD
from cmdb.records import Record
from itsm.changes.desk import Changes
from itsm.requests import Requests
from lifecycle.approvals import Stage
from lifecycle.desk import Waiting
from lifecycle.drafting import Drafting
from lifecycle.engine import Choice
from lifecycle.naming import ORDER
from lifecycle.orders import Carried, Orders

CONCERNED: Final = {**TYPES, "devices": "[OrderDeviceInput!]!"}
"""Of those that take devices with details."""
DRAFTS: Final = {
    Orders.kind: "draftOrder",
    Changes.kind: "draftChange",
    Requests.kind: "draftRequest",
}
"""What drafts a kind of process; some are opened in other ways."""
CARRIED: Final = f"... on Carried {{ step done refused overridden revision {REFUSALS} }}"
WAITING: Final = {"type": "String!", "waitingFor": "WaitingFor!"}
PAGE: Final = 200

OWN: Final[dict[type[Drafting], type[Drafting]]] = {}
"""Service -> the same over a server, where it decides in ways of its own."""
Devices = Iterable[str | tuple[str, Mapping[str, Any]]]


class Remote(Drafting):
    """Has the server draft processes, and carry them out; what else they have is of the service mixed in."""

    engine: RemoteEngine

    def new(
        self,
        type_: str,
        actor: str,
        attributes: Mapping[str, Any] = {},
        devices: Devices = (),
        reason: str = "",
    ) -> Record:
        if self.kind not in DRAFTS:
            self.engine.decide()
        return self.engine.made(
            DRAFTS[self.kind],
            types=CONCERNED,
            type=None if self.kind == Requests.kind else type_,
            attributes=plain(attributes),
            devices=_devices(devices),
            reason=reason,
        )

    def add(self, order: str, actor: str, devices: Devices) -> int:
        said = _devices(devices)
        return self.engine.revision("addToOrder", types=CONCERNED, order=order, devices=said)

    def remove(self, order: str, actor: str, devices: Iterable[str]) -> int:
        return self.engine.revision("removeFromOrder", order=order, devices=list(devices))

    def drop(self, order: str, actor: str, devices: Sequence[str], reason: str) -> int:
        said = list(devices)
        return self.engine.revision("dropFromOrder", order=order, devices=said, reason=reason)

    def comment(self, order: str, actor: str, text: str) -> int:
        return self.engine.revision("commentOnOrder", order=order, text=text)

    def reassign(self, order: str, actor: str, assignee: str, reason: str = "") -> int:
        return self.engine.revision("assignOrder", order=order, person=assignee, reason=reason)

    def execute(
        self,
        order: str,
        actor: str,
        devices: Sequence[str] | None = None,
        *,
        step: str | None = None,
        inputs: Mapping[str, Any] = {},
        details: Mapping[str, Mapping[str, Any]] = {},
        overrides: Mapping[str, str] = {},
        effective_on: date | None = None,
        dry_run: bool = False,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Carried:
        answer = self.engine.do(
            "executeOrder",
            CARRIED,
            order=order,
            devices=None if devices is None else list(devices),
            step=step,
            inputs=dict(inputs),
            details={id: dict(said) for id, said in details.items()},
            overrides=dict(overrides),
            effectiveOn=plain(effective_on),
            dryRun=dry_run,
        )
        progress(answer["done"] + answer["refused"])
        return Carried(
            answer["step"],
            answer["done"],
            answer["refused"],
            read_refusals(answer["refusals"]),
            answer["overridden"],
            answer["revision"] or 0,
        )


class RemoteDesk:
    """The desk of whose token it is."""

    def __init__(self, store: RemoteStore) -> None:
        self.store, self.engine = store, RemoteEngine(store)

    def waiting(self, record_type: str = ORDER) -> Iterator[Waiting]:
        given = {"type": record_type, "waitingFor": "ME"}
        questions = Questions(self.store, "processes", WAITING, given)
        for edge in questions.edges(f"waitsForMe node {{ {RECORD} }}", PAGE):
            yield Waiting(self.store.read(edge["node"]), edge["waitsForMe"])

    def asked(self, order: Record) -> str | None:
        text = "query($of: String!) { order(of: $of) { waitsForMe } }"
        found: str | None = self._ask(text, "order", of=order.id)["waitsForMe"]
        return found

    def choices(self, order: Record) -> list[Choice]:
        return self.engine.choices(order, "")

    def _ask(self, document: str, field: str, **given: Any) -> dict[str, Any]:
        found = self.store.asked(lambda client: client.query(document, **given))
        return dict(found[field])


STAGES: Final = f"""query($of: String!) {{ order(of: $of) {{ stages {{ name needed asked
    organisation {{ {RECORD} }} waitingFor {{ id }}
    votes {{ by {{ id }} for {{ id }} decision at comment }} }} }} }}"""


@services.stages.register
def _(graph: RemoteStore, process: Record) -> list[Stage]:
    found = graph.asked(lambda client: client.query(STAGES, of=process.id))["order"]
    procedure = graph.model.record_types[process.type].procedure
    return [
        Stage(
            told["name"],
            procedure.approval[told["name"]],
            graph.read(told["organisation"]) if told["organisation"] else None,
            _people(told),
            told["needed"],
            _votes(told),
        )
        for told in found["stages"]
        if procedure is not None
    ]


def _people(told: Mapping[str, Any]) -> frozenset[str]:
    """Those who are asked; some of them may not be seen."""
    seen = {person["id"] for person in told["waitingFor"]} | {v["for"] for v in _votes(told)}
    return frozenset(seen | {f"unseen {n}" for n in range(told["asked"] - len(seen))})


def _votes(told: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """Votes as a process keeps them; people who are not seen are told apart."""
    found = []
    for place, vote in enumerate(told["votes"]):
        ends = {n: vote[n]["id"] if vote[n] else f"unseen voter {place}" for n in ("by", "for")}
        said = {**vote, **ends, "stage": told["name"]}
        found.append({name: said[name] for name in sorted(said) if said[name] is not None})
    return tuple(found)


@services.door.register
def _(graph: RemoteStore, service: type[Drafting]) -> Drafting:
    return _remote(service)(RemoteEngine(graph))


def _remote(service: type[Drafting]) -> type[Drafting]:
    """A service whose decisions are the server's."""
    said = {"kind": service.kind, "command": service.command}
    return OWN.get(service) or type(f"Remote{service.__name__}", (Remote, service), said)


@services.desk.register
def _(graph: RemoteStore, actor: str) -> services.OnesDesk:
    return RemoteDesk(graph)


def _devices(devices: Devices) -> list[dict[str, Any]]:
    """Devices with details, as the mutations take them."""
    pairs = [(d, {}) if isinstance(d, str) else d for d in devices]
    return [{"id": id, "details": dict(details)} for id, details in pairs]
