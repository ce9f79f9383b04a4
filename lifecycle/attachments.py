"""Attachments: evidence for orders and devices. The content is a file (`lifecycle.files`), what is known of it
a record ``Evidence`` that documents the order and the devices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from cmdb.change_sets import Create, Operation, Relate
from cmdb.errors import NotFoundError
from cmdb.ids import new_id
from cmdb.queries import Query
from cmdb.records import Record
from lifecycle.contents import safe_name
from lifecycle.deciding import Decision
from lifecycle.engine import Engine
from lifecycle.files import Files, Stored
from lifecycle.items import CONCERNS
from lifecycle.refusals import NotAllowedError, Refusal, RefusedError
from schema.kinds import is_id

EVIDENCE: Final = "Evidence"
DOCUMENTED_BY: Final = "DOCUMENTED_BY"
OTHER: Final = "other"
ATTACHERS: Final = ("requester", "assignee", "custodian", "operator", "asset_manager")


class Attached(NamedTuple):
    """An evidence, and the revision in which it was attached."""

    evidence: Record
    stored: Stored
    revision: int


class Attachments:
    """The door to attachments."""

    def __init__(self, engine: Engine, files: Files) -> None:
        self.engine, self.store, self.files = engine, engine.store, files

    def attach(
        self,
        order: str,
        actor: str,
        path: Path,
        *,
        devices: Sequence[str] = (),
        kind: str = OTHER,
        name: str = "",
        comment: str = "",
    ) -> Attached:
        """Attach a file to an order, and to devices that it concerns.

        The file is kept first, then everything about it is committed at once; refused, it goes again. The same content, of the same
        kind, attached to the same order again is the same evidence, for more devices if need be.

        Parameters
        ----------
        name
            What to call it; by default what the file is called.

        Raises
        ------
        FileRefusedError, NotAllowedError, InvalidChangeError
        RefusedError
            The order does not concern one of the devices.
        """
        self._allowed(order, actor, devices)
        called = safe_name(name or path.name)
        with self.files.adding(path, called) as stored:
            id, revision = self._commit(order, actor, stored, called, devices, kind, comment)
        return Attached(self.store.record(id), stored, revision)

    def _commit(
        self,
        order: str,
        actor: str,
        stored: Stored,
        called: str,
        devices: Sequence[str],
        kind: str,
        comment: str,
    ) -> tuple[str, int]:
        """The evidence of a file, attached; its id, and the revision."""
        new = new_id()

        def work() -> Decision:
            process = self._allowed(order, actor, devices)
            there = self._same(order, stored.sha256, kind)
            id = there.id if there else new
            operations: list[Operation] = []
            if there is None:
                said = {
                    "name": called,
                    "file_name": called,
                    "sha256": stored.sha256,
                    "evidence_kind": kind,
                    "content_type": stored.content_type,
                    "file_size": stored.size,
                    "organisation": process.attributes.get("organisation"),
                    "description": comment or None,
                    "lifecycle_state": "in_force",
                }
                given = {n: v for n, v in said.items() if v is not None}
                operations.append(Create(EVIDENCE, given, id))
            linked = {n.record.id for n in self.store.neighbours([id], [DOCUMENTED_BY], "in")}
            operations += [
                Relate(source, DOCUMENTED_BY, id)
                for source in (order, *devices)
                if source not in linked
            ]
            number = process.attributes.get("number") or process.name
            return Decision(operations, f"{number} {kind}: {called}", result=id)

        decision, revision = self.engine.decide(actor, work)
        return decision.result, revision

    def _allowed(self, order: str, actor: str, devices: Sequence[str]) -> Record:
        """The order, if the actor may attach to it, and it concerns the devices."""
        process, room = self.store.record(order), self.engine.room(actor)
        places = {process.attributes.get(n) for n in ("organisation", "to_organisation")}
        if not any(room.directory.may(room.actor, ATTACHERS, process, at) for at in places):
            raise NotAllowedError(
                f"{room.actor.record.name} has no part in {process.name}.",
                f"A {', '.join(ATTACHERS)} may attach to it.",
            )
        near = self.store.neighbours(devices, [CONCERNS], "in") if devices else []
        strangers = {*devices} - {n.of for n in near if n.record.id == order}
        if strangers:
            names = sorted(r.name for r in self.store.get(strangers).values())
            why = f"it does not concern {', '.join(names) or min(strangers)}"
            raise RefusedError([Refusal(order, process.name, "item", why)])
        return process

    def _same(self, order: str, sha256: str, kind: str) -> Record | None:
        """The evidence of this content and kind that the order has already."""
        for near in self.store.neighbours([order], [DOCUMENTED_BY], "out"):
            said = near.record.attributes
            if (said.get("sha256"), said.get("evidence_kind")) == (sha256, kind):
                return near.record
        return None

    def of(self, id: str) -> list[Record]:
        """The evidence that documents a record, by name."""
        near = self.store.neighbours([id], [DOCUMENTED_BY], "out")
        return sorted((n.record for n in near if n.record.type == EVIDENCE), key=lambda r: r.name)

    def find(self, text: str) -> Record:
        """An evidence by its id, or the SHA-256 of its content, or the beginning of that.

        Raises
        ------
        NotFoundError
        """
        where = {"id": {"eq": text}} if is_id(text) else {"sha256": {"prefix": text.lower()}}
        found = self.store.find(Query(EVIDENCE, where, first=50)).records if text else []
        if len({r.attributes.get("sha256") for r in found}) == 1:
            return found[0]
        many = f"{len(found)} files begin with" if found else "There is no evidence"
        raise NotFoundError(f"{many} {text!r}.", "Name its id, or its whole SHA-256.")

    def read(self, evidence: Record) -> bytes:
        """The content, checked against its digest.

        Raises
        ------
        FileRefusedError
        """
        return self.files.read(str(evidence.attributes.get("sha256", "")))
