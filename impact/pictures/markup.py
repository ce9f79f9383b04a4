"""Pictures as text that other tools draw: Mermaid and DOT."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from impact.pictures.layers import layers
from impact.pictures.picture import LOOKS, Arrow, GroupMark, Picture, about, state, tidy


def mermaid(picture: Picture) -> str:
    """A Mermaid flowchart, as wikis and code forges draw it.

    Many of them refuse more than 500 arrows or 50,000 characters.
    """
    picture = tidy(picture)
    node = {box.id: f"n{number}" for number, box in enumerate(picture.boxes)}
    title = " · ".join(filter(None, [picture.title, picture.note]))
    title = title.translate({ord(sign): full for sign, full in zip("<>&", "＜＞＆", strict=True)})
    lines = ["---", f"title: {json.dumps(title, ensure_ascii=False)}", "---"] if title else []
    lines.append("flowchart TB")
    for box in picture.boxes:
        parts = map(_mermaid, filter(None, [box.name, box.label, state(box)]))
        before, behind = ("[[", "]]") if box.root else ("([", "])") if box.service else ("[", "]")
        lines.append(f'    {node[box.id]}{before}"{"<br/>".join(parts)}"{behind}')
    for number, group in enumerate(picture.groups):
        parts = map(_mermaid, filter(None, [group.label, group.words]))
        lines.append(f'    g{number}(["{"<br/>".join(parts)}"])')
    thick = []
    spanned = zip(_lines(picture, node), _lengths(picture, node), strict=True)
    for number, ((start, end, arrow), length) in enumerate(spanned):
        lines.append(f"    {start} {_shaft(arrow, length, end.startswith('n'))} {end}")
        if arrow.soft and arrow.fired:
            thick.append(str(number))
    for effect, look in LOOKS.items():
        dash = f",stroke-dasharray:{look.dash}" if look.dash else ""
        lines.append(
            f"    classDef {effect} fill:{look.fill},stroke:{look.line},color:{look.ink},"
            f"stroke-width:{look.width}px{dash}"
        )
        same = [node[box.id] for box in picture.boxes if box.effect == effect]
        same += [f"g{n}" for n, group in enumerate(picture.groups) if group.effect == effect]
        if same:
            lines.append(f"    class {','.join(same)} {effect}")
    if thick:
        lines.append(f"    linkStyle {','.join(thick)} stroke-width:3.5px")
    return "\n".join(lines) + "\n"


def _lengths(picture: Picture, node: dict[str, str]) -> list[int]:
    """How many layers each line spans: what keeps the services at the top."""
    lines = list(_lines(picture, node))
    names = [*node.values(), *(f"g{number}" for number in range(len(picture.groups)))]
    index = {name: number for number, name in enumerate(names)}
    top = [box.service for box in picture.boxes] + [False] * len(picture.groups)
    pairs = [(index[start], index[end]) for start, end, _ in lines]
    layer = layers(len(names), pairs, top).layer
    return [max(layer[end] - layer[start], 1) for start, end in pairs]


def _shaft(arrow: Arrow, length: int, headed: bool) -> str:
    if arrow.soft:
        return f"-{'.' * length}-{'>' * headed}"
    sign = "=" if arrow.fired else "-"
    return sign * (length + 1) + (">" if headed else sign)


def _mermaid(text: str) -> str:
    """Text within quotes: all but letters and digits as codes, and what would begin a list.

    A word joiner keeps icons (``fa:fa-car``) and formulas (``$$x$$``) text.
    """
    text = re.sub(r"(?<=\$)(?=\$)|(?<=:)(?=fa-)", "\u2060", text)
    return re.sub(r"[^\w .-]|_|^[.-]|[.-](?= )", lambda match: f"#{ord(match[0])};", text)


def dot(picture: Picture) -> str:
    """A directed graph in DOT, the language of Graphviz."""
    picture = tidy(picture)
    node = {box.id: f"n{number}" for number, box in enumerate(picture.boxes)}
    lines = [
        "digraph impact {",
        f"    graph [label={_dot(picture.title, picture.note)}, labelloc=t, fontname=Helvetica];",
        "    node [shape=box, style=filled, fontname=Helvetica, fontsize=11];",
        '    edge [color="#5b6672", arrowsize=0.7];',
    ]
    for box in picture.boxes:
        shape = ", peripheries=2" * box.root
        text = _dot(box.name, box.label, state(box))
        look = _dot_look(box.effect, "rounded" * box.service)
        lines.append(
            f"    {node[box.id]} [label={text}, tooltip={_dot(about(box))}{shape}, {look}];"
        )
    for number, group in enumerate(picture.groups):
        look = _dot_look(group.effect, "rounded")
        text = _dot(group.label, group.words)
        lines.append(f"    g{number} [label={text}, fontsize=9, height=0.2, margin=0.06, {look}];")
    stood_on = {arrow.provider for arrow in picture.arrows}
    top = [node[box.id] for box in picture.boxes if box.service and box.id not in stood_on]
    if top:
        lines.append(f"    {{ rank=min; {'; '.join(top)}; }}")
    for start, end, arrow in _lines(picture, node):
        style = ["style=dashed"] * arrow.soft + ["penwidth=3"] * arrow.fired
        style += ["arrowhead=none"] * end.startswith("g")
        lines.append(
            f"    {start} -> {end} [{', '.join([*style, f'tooltip={_dot(arrow.type)}'])}];"
        )
    return "\n".join([*lines, "}"]) + "\n"


def _dot_look(effect: str, shape: str) -> str:
    look = LOOKS[effect]
    dash = {"at_risk": "dotted", "degraded": "dashed"}.get(effect, "")
    style = ",".join(filter(None, ["filled", shape, dash]))
    return (
        f'style="{style}", fillcolor="{look.fill}", color="{look.line}", fontcolor="{look.ink}", '
        f"penwidth={look.width}"
    )


def _dot(*lines: str) -> str:
    """Lines within quotes; the rest of the escapes and HTML's entities stay what they are."""
    text = "\n".join(filter(None, lines)).replace("\\", "\\\\").replace("&", "&amp;")
    return '"' + text.replace('"', '\\"').replace("\n", "\\n") + '"'


def _lines(picture: Picture, node: dict[str, str]) -> Iterator[tuple[str, str, Arrow]]:
    """What joins what: a group stands between its dependent and its members."""
    members: dict[int, list[Arrow]] = {}
    for arrow in picture.arrows:
        if arrow.group is not None:
            members.setdefault(arrow.group, []).append(arrow)
    for number, group in enumerate(picture.groups):
        yield node[group.dependent], f"g{number}", _tie(group, members.get(number, []))
    for arrow in picture.arrows:
        start = node[arrow.dependent] if arrow.group is None else f"g{arrow.group}"
        yield start, node[arrow.provider], arrow


def _tie(group: GroupMark, members: Iterable[Arrow]) -> Arrow:
    """What joins a dependent with its group: bold where a member's arrow is."""
    members = list(members)
    soft = bool(members) and all(arrow.soft for arrow in members)
    fired = any(arrow.fired for arrow in members)
    return Arrow(group.dependent, "", group.label, soft, fired, None)
