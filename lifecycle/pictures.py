"""A state machine as a picture: states are boxes, and the ways between them stand on the lines."""

from __future__ import annotations

from typing import Final

from impact.pictures.layout import Placed, Size, arrange
from impact.pictures.pieces import (
    MARGIN,
    NAME,
    SMALL,
    TITLE,
    Drawing,
    framed,
    moved,
    rect,
    text,
    tooltip,
)
from impact.pictures.routing import Line, Spot, route
from impact.pictures.text import columns
from schema.model import State, StateMachine, Transition

_LINE: Final = 15
_NAMED: Final = 2
"""Roles that are named at a transition; its tooltip names all."""
_HEAD: Final = 68
_NOTES: Final = (
    "bold border: where it begins; grey: where it ends; green: in service or under way; yellow: votes",
    "粗框为起点，灰色为终点，绿色为在运或办理中，黄色为审批",
)
_STYLE: Final = """
text{font-size:12px;font-family:system-ui,"Segoe UI",Roboto,Helvetica,Arial,"PingFang SC","Microsoft YaHei",sans-serif;
fill:#1c2127}
text.small{font-size:10.5px}text.title{font-size:17px;font-weight:600}text.faint{fill:#5b6672}
.ground{fill:#fff}.way{fill:none;stroke:#98a2ae;stroke-width:1.3}.head{fill:#98a2ae}
.state rect{fill:#eef2f7;stroke:#5b6672;stroke-width:1.3}.state text{font-weight:600}
.state text.small{font-weight:400}
.operational rect{fill:#d9f0dd;stroke:#2f7d43}.terminal rect{fill:#e6e6e6;stroke:#3a3f45;stroke-width:3}
.initial rect{stroke-width:3}.approval rect{fill:#fff4c2;stroke:#8a6d00}
.transition rect{fill:#fff;stroke:#b8c1cb;stroke-dasharray:3 2}
@media (prefers-color-scheme:dark){
text{fill:#e4e8ee}text.faint{fill:#9aa5b1}.ground{fill:#14181d}.way{stroke:#7b8794}.head{fill:#7b8794}
.state rect{fill:#242b34;stroke:#9aa5b1}.operational rect{fill:#1d4429;stroke:#6cc184}
.terminal rect{fill:#3a3f45;stroke:#c3cad2}.approval rect{fill:#453c17;stroke:#e8cf5a}
.transition rect{fill:#14181d;stroke:#596673}}
"""


def svg(machine: StateMachine) -> str:
    """A drawing that stands alone, in English and Chinese; light or dark as the reader has it."""
    drawing = _drawn(machine)
    title = f"{machine.label.en} {machine.label.zh}"
    width = max(drawing.width, columns(title) * TITLE, *(columns(n) * SMALL for n in _NOTES))
    head = [
        tooltip(title),
        f"<style>{_STYLE}</style>",
        rect(Spot(0, 0, width, drawing.height + _HEAD), 0, wider=MARGIN, name="ground"),
        text(0, 12, title, "title", anchor="start"),
        *(
            text(0, 32 + 15 * n, told, "small faint", anchor="start")
            for n, told in enumerate(_NOTES)
        ),
        moved(drawing.text, (width - drawing.width) / 2, _HEAD),
    ]
    return framed(Drawing("\n".join(head), width, drawing.height + _HEAD), "machine")


def _drawn(machine: StateMachine) -> Drawing:
    states, ways = list(machine.states.values()), list(machine.transitions.values())
    index = {state.name: number for number, state in enumerate(states)}
    joins: list[tuple[int, int, int]] = []
    for number, way in enumerate(ways, start=len(states)):
        joins += [(index[name], number, -1) for name in machine.states if name in way.source]
        joins.append((number, index[way.target], -1))
    height = 12.0 + 2 * _LINE
    boxes = [_state_size(s, height) for s in states] + [_way_size(w, height) for w in ways]
    top = [state.name == machine.initial for state in states] + [False] * len(ways)
    placed = arrange(boxes, joins, top)
    lines, shown = [], []
    for place in placed:
        routes = route(place, height, boxes, [{} for _ in boxes], joins)
        lines += [_line(line) for line in routes.lines]
        for number, spot in routes.boxes.items():
            if number < len(states):
                shown.append(_state(states[number], spot, machine.initial))
            else:
                shown.append(_way(ways[number - len(states)], spot))
    return Drawing("\n".join([*lines, *shown]), _right(placed), _bottom(placed))


def _right(placed: list[Placed]) -> float:
    return max(place.left + place.block.width for place in placed)


def _bottom(placed: list[Placed]) -> float:
    return max(place.top + place.block.height for place in placed)


def _line(line: Line) -> str:
    drawn = f'<path class="way" d="{line.path}"/>'
    return drawn + (f'<path class="head" d="{line.head}"/>' if line.head else "")


def _state_size(state: State, height: float) -> Size:
    wide = max(columns(state.label.zh) * NAME * 1.05, columns(state.label.en) * SMALL)
    return Size(max(wide + 24, 84), height)


def _way_size(way: Transition, height: float) -> Size:
    wide = max(columns(_called(way)) * SMALL, columns(_who(way)) * SMALL)
    return Size(max(wide + 12, 60), height)


def _called(way: Transition) -> str:
    return f"{way.label.zh} {way.label.en}"


def _who(way: Transition) -> str:
    more = f" +{len(way.by) - _NAMED}" if len(way.by) > _NAMED else ""
    return f"by {' or '.join(way.by[:_NAMED])}{more}" if way.by else "anybody"


def _state(state: State, spot: Spot, initial: str) -> str:
    marks = ["state", *(w for w in ("operational", "terminal") if getattr(state, w))]
    marks += ["approval"] * (state.approval is not None) + ["initial"] * (state.name == initial)
    middle = spot.top + spot.height / 2
    told = tooltip(state.name, *(f"{t.label.en} {t.label.zh}" for t in state.timers.values()))
    return (
        f'<g class="{" ".join(marks)}">{told}{rect(spot, 8)}'
        f"{text(spot.middle, middle - 3, state.label.zh)}"
        f"{text(spot.middle, middle + 12, state.label.en, 'small')}</g>"
    )


def _way(way: Transition, spot: Spot) -> str:
    middle = spot.top + spot.height / 2
    guards = f"guards: {', '.join(way.guards)}" if way.guards else ""
    told = tooltip(way.name, f"by {', '.join(way.by)}" if way.by else "", guards)
    return (
        f'<g class="transition">{told}{rect(spot, 14)}'
        f"{text(spot.middle, middle - 3, _called(way), 'small')}"
        f"{text(spot.middle, middle + 11, _who(way), 'small faint')}</g>"
    )
