"""The subcommands ``cmdb incident …``, a module for what belongs together; `words` is what they share."""

from __future__ import annotations

from cli.incidents import asking, listing, moving, opening, showing, working
from cli.processes import OWN
from itsm.incidents import Incidents

app = moving.Kind(Incidents).app(
    "Incidents: opened with what they hit, seen to in time, taken together and apart.",
    without={*OWN} - {"comment"},
    helps=moving.HELPS,
)

app.command("open")(opening.open_)
app.command("list")(listing.list_incidents)
app.command()(showing.show)
app.command()(asking.impact)
app.command()(asking.changed)
app.command()(asking.known)
app.command()(moving.resolve)
app.command()(opening.include)
app.command()(opening.exclude)
app.command()(working.merge)
app.command()(working.split)
app.command()(working.urgency)
app.command()(working.major)
app.command()(working.escalate)
app.command()(working.assign)
app.command()(working.relate)
app.command()(working.cause)
app.command()(working.refresh)
