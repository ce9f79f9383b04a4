"""Problems over a server: opened, what they explain, what fixes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cli.remote.processes import OWN, Remote
from cli.remote.store import plain
from cmdb.records import Record
from itsm.problems import Problems


class RemoteProblems(Remote, Problems):
    """Has the server say what problems explain, and what fixes them."""

    kind, command = Problems.kind, Problems.command

    def open(
        self,
        actor: str,
        name: str,
        incidents: Sequence[str] = (),
        cis: Iterable[str] = (),
        attributes: Mapping[str, Any] = {},
        reason: str = "",
    ) -> Record:
        given = {"incidents": list(incidents), "cis": list(cis), "attributes": plain(attributes)}
        return self.engine.made("openProblem", name=name, reason=reason, **given)

    def join(self, problem: str, actor: str, incidents: Sequence[str], reason: str = "") -> int:
        given = {"problem": problem, "incidents": list(incidents), "reason": reason}
        return self.engine.revision("addToProblem", **given)

    def leave(self, problem: str, actor: str, incidents: Sequence[str], reason: str = "") -> int:
        given = {"problem": problem, "incidents": list(incidents), "reason": reason}
        return self.engine.revision("removeFromProblem", **given)

    def fix(self, problem: str, actor: str, change: str, reason: str = "") -> int:
        given = {"problem": problem, "change": change, "reason": reason}
        return self.engine.revision("setProblemFix", **given)


OWN[Problems] = RemoteProblems
