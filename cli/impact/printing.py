"""An outage for people: a tree or a table, and what there is to know beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.text import Text
from rich.tree import Tree

from cli import output
from impact import reports
from impact.analysis import Affected, GroupState, Outage, Reason

STYLES: Final = {"down": "bold red", "degraded": "yellow", "at_risk": "cyan", "none": "dim"}


def print_outage(
    outage: Outage, told: reports.Report, only: Sequence[Affected], first: int, *, table: bool
) -> None:
    counts = ", ".join(f"{n:,} {effect}" for effect, n in outage.counts().items() if n)
    output.print_line(f"{counts or 'Nothing is affected'} (revision {outage.at})", "bold")
    if table:
        _print_table(outage, told, only[:first])
    else:
        _print_tree(outage, told, only[:first])
    if len(only) > first:
        output.print_line(
            f"… and {len(only) - first:,} more; --first {len(only)} prints all.", "dim"
        )
    _print_together(told, only)
    if told.services:
        output.print_line("")
        output.print_line(f"Services affected: {len(told.services)}", "bold")
        for one in told.services[:20]:
            output.print_line(f"  {name(told, one.id)}: {one.effect}", STYLES[one.effect])
    types = {t: sum(c.values()) for t, c in told.types.items()}
    if len(types) > 1:
        _print_counts("By type", types)
    organisations = {name(told, o) or "(none)": n for o, n in told.organisations.items()}
    if organisations.keys() - {"(none)"}:
        _print_counts("By organisation", organisations)
    if told.contacts:
        output.print_line("")
        output.print_line("To call", "bold")
        for contact in told.contacts[:10]:
            about = ", ".join(name(told, id) for id in contact.about[:3])
            more = f" and {len(contact.about) - 3} more" if len(contact.about) > 3 else ""
            output.print_line(f"  {contact.name} ({contact.type}): {about}{more}")
    print_doubts(outage, told)


def _print_tree(outage: Outage, told: reports.Report, only: Sequence[Affected]) -> None:
    """Each CI under the one that its failure came from."""
    branches: dict[str, Tree] = {}
    top = Tree("", hide_root=True)

    def branch(path: Sequence[Reason]) -> Tree:
        reason = path[0]
        if reason.id not in branches:
            above = branch(outage.why(reason.provider)) if len(path) > 1 else top
            branches[reason.id] = above.add(_line(outage, told, reason))
        return branches[reason.id]

    for one in sorted(only, key=lambda a: (a.distance, a.id)):
        branch(outage.why(one.id))
    output.console().print(top)


def _line(outage: Outage, told: reports.Report, reason: Reason) -> Text:
    effect = outage.effect(reason.id).word
    text = Text(output.printable(name(told, reason.id)))
    text.append(f" {outage.type(reason.id)} ", style="dim")
    text.append(effect, style=STYLES[effect])
    if reason.type:
        text.append(f"  {reason.type}", style="dim")
    if reason.group is not None:
        text.append(f"  {group_words(reason.group)}", style="dim")
    elif reason.soft:
        text.append("  soft", style="dim")
    return text


def group_words(group: GroupState) -> str:
    """How many are left, of how many, and how many are needed."""
    label = f"{group.label}: " if group.label else ""
    state = f"{group.left} left of {group.total}, {group.needed} needed"
    if group.healthy != group.left:
        state += f", {group.healthy} healthy"
    if group.short:
        state += ", was short before"
    return label + state


def _print_table(outage: Outage, told: reports.Report, only: Sequence[Affected]) -> None:
    rows = []
    for one in only:
        path = outage.why(one.id)
        why = path[0]
        way = " < ".join(name(told, reason.id) for reason in path[1:])
        rows.append(
            [
                one.effect,
                one.distance,
                name(told, one.id),
                one.type,
                why.type,
                way,
                group_words(why.group) if why.group else "soft" if why.soft else "",
            ]
        )
    if rows:
        output.print_table(["effect", "steps", "name", "type", "by", "because of", "group"], rows)


def _print_together(told: reports.Report, only: Sequence[Affected]) -> None:
    together = [one for one in only if one.together]
    if together:
        output.print_line("")
        output.print_line("Only because they fail together", "bold")
        for one in together[:20]:
            output.print_line(f"  {name(told, one.id)}: {one.effect}", STYLES[one.effect])
        if len(together) > 20:
            output.print_line(f"  … and {len(together) - 20:,} more", "dim")


def _print_counts(title: str, counts: Mapping[str, int]) -> None:
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    text = ", ".join(f"{name} {count:,}" for name, count in most[:12])
    more = f", and {len(most) - 12} more" if len(most) > 12 else ""
    output.print_line(f"{title}: {text}{more}")


def print_doubts(outage: Outage, told: reports.Report) -> None:
    lines = [f"Truncated: {outage.truncated}."] if outage.truncated else []
    if outage.unknown:
        unknown = ", ".join(name(told, id) for id in outage.unknown)
        lines.append(f"Nothing can depend on it: {unknown}.")
    if outage.idle:
        idle = ", ".join(name(told, id) for id in outage.idle)
        lines.append(f"Not operational, so nothing depends on it: {idle}.")
    short = [group for group in outage.touched() if group.short]
    if short:
        names = ", ".join(dict.fromkeys(name(told, g.dependent) for g in short[:5]))
        lines.append(f"Short of members before the outage: {names}.")
    if told.passed_over is None:
        lines.append("Relationships without an impact rule were not counted: too many CIs.")
    elif told.passed_over:
        passed = ", ".join(f"{name} {count}" for name, count in told.passed_over.items())
        lines.append(f"Passed over, as their types have no impact rule: {passed}.")
    if told.stale:
        old = ", ".join(f"{name} ({count} CIs)" for name, count in told.stale.items())
        lines.append(f"Not seen for long: {old}.")
    if lines:
        output.print_line("")
    for line in lines:
        output.print_line(line, "dim")
    if not outage.truncated:
        output.print_line("Complete.", "dim")


def print_hidden(hidden: Mapping[str, int]) -> None:
    """How much there is beside that who asks may not see."""
    if hidden:
        output.print_line(f"And {sum(hidden.values()):,} CIs that you may not see.", "dim")


def plain_hidden(hidden: Mapping[str, int]) -> dict[str, Any]:
    """The same for programs, by organisation; nothing where there is none."""
    return {"hidden": dict(hidden)} if hidden else {}


def name(told: reports.Report, id: str) -> str:
    return told.names.get(id, id)
