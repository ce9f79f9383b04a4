"""Attached files over a server: it keeps them, and checks what may be kept."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from cli import services
from cli.remote.engine import RemoteEngine
from cli.remote.store import RemoteStore
from cmdb.records import Record
from lifecycle.attachments import OTHER, Attached, Attachments
from lifecycle.contents import FileRefusedError
from lifecycle.files import Stored, plain_file


class RemoteAttachments(Attachments):
    """Has the server attach files, and gets them back."""

    engine: RemoteEngine

    def __init__(self, engine: RemoteEngine) -> None:
        self.engine = engine
        self.store = engine.store

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
        with plain_file(path) as file:
            content = file.read()
        said = {"order": order, "name": name or path.name, "kind": kind, "comment": comment}
        told = self.engine.store.asked(
            lambda client: client.attach(content, device=list(devices), **said)
        )
        stored = Stored(told["sha256"], told["size"], told["content_type"])
        return Attached(self.store.record(told["id"]), stored, told["revision"])

    def read(self, evidence: Record) -> bytes:
        content = self.engine.store.asked(lambda client: client.attachment(evidence.id))
        sha256 = str(evidence.attributes.get("sha256", ""))
        if hashlib.sha256(content).hexdigest() != sha256:
            raise FileRefusedError(f"The file {sha256} came damaged.", "Ask for it again.")
        return content


@services.attachments.register
def _(graph: RemoteStore) -> Attachments:
    return RemoteAttachments(RemoteEngine(graph))
