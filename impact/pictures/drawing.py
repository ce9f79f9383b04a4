"""The drawing: SVG."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from impact.pictures.layout import Size, arrange
from impact.pictures.legend import legend_of
from impact.pictures.picture import LOOKS, Box, GroupMark, Picture, about, state, tidy
from impact.pictures.pieces import (
    MARGIN,
    NAME,
    SMALL,
    STYLE,
    TITLE,
    Drawing,
    framed,
    moved,
    rect,
    text,
    tooltip,
)
from impact.pictures.routing import Line, Spot, cell, route
from impact.pictures.text import columns, cut

_WIDEST: Final = 190
"""Text in a box that is wider is cut."""
_LINE: Final = 15
_TOLD: Final = 8
"""How many of those that share a line its tooltip names."""


def svg(picture: Picture) -> str:
    """A drawing that stands alone, with title, note and legend; light or dark as the reader has it."""
    picture = tidy(picture)
    drawing = draw(picture)
    legend = legend_of(picture, max(drawing.width, 620))
    width = max(drawing.width, legend.width, 320)
    parts = []
    y = 0.0
    for words, look, letter in ((picture.title, "title", TITLE), (picture.note, "faint", NAME)):
        if words:
            parts.append(text(0, y + 12, cut(words, width / letter), look, anchor="start"))
            y += 22
    parts.append(moved(drawing.text, (width - drawing.width) / 2, y + 10))
    y += drawing.height + 10
    if legend.text:
        parts.append(moved(legend.text, 0, y + 30))
        y += legend.height + 30
    ground = rect(Spot(0, 0, width, y), 0, wider=MARGIN, name="ground")
    head = [tooltip(picture.title), f"<style>{STYLE}</style>", ground]
    return framed(Drawing("\n".join([*head, *parts]), width, y), "picture")


def draw(picture: Picture, *, linked: bool = False) -> Drawing:
    """The boxes of a tidy picture and what joins them.

    Parameters
    ----------
    linked
        Whether each part says what it belongs to, for the script of a page.
    """
    if not picture.boxes:
        return Drawing(text(0, 12, "nothing to show", "faint", anchor="start"), 120, 16)
    index = {box.id: number for number, box in enumerate(picture.boxes)}
    marks: list[dict[int, Size]] = [{} for _ in picture.boxes]
    for number, group in enumerate(picture.groups):
        marks[index[group.dependent]][number] = _mark_size(group)
    ways = [
        (index[arrow.dependent], index[arrow.provider], -1 if arrow.group is None else arrow.group)
        for arrow in picture.arrows
    ]
    size = _box_size(picture.boxes)
    sizes = [cell(size, list(own.values())) for own in marks]
    placed = arrange(sizes, ways, [box.service for box in picture.boxes])
    lines: list[tuple[bool, str]] = []
    boxes: list[str] = []
    for place in placed:
        routes = route(place, size.height, sizes, marks, ways)
        lines += (_line(picture, line, index, linked) for line in routes.lines)
        for number, spot in routes.boxes.items():
            link = f' data-box="{number}" tabindex="0"' if linked else ""
            boxes.append(_box(picture.boxes[number], spot, link))
        for number, spot in routes.marks.items():
            group = picture.groups[number]
            link = f' data-of="{index[group.dependent]}"' if linked else ""
            boxes.append(_mark(group, spot, link))
    lines.sort(key=lambda line: line[0])
    return Drawing(
        "\n".join([*(drawn for _, drawn in lines), *boxes]),
        max(place.left + place.block.width for place in placed),
        max(place.top + place.block.height for place in placed),
    )


def _line(picture: Picture, line: Line, index: dict[str, int], linked: bool) -> tuple[bool, str]:
    """A line, and whether it is bold: as one of those is that share it; dashed if all are."""
    arrows = [picture.arrows[way] for way in line.ways]
    fired = any(arrow.fired for arrow in arrows)
    soft = bool(arrows) and all(arrow.soft for arrow in arrows)
    look = " fired" * fired
    told = []
    for arrow in arrows[:_TOLD]:
        ends = picture.boxes[index[arrow.dependent]].name, picture.boxes[index[arrow.provider]].name
        told.append(f"{' → '.join(ends)}: {arrow.type}")
    if len(arrows) > _TOLD:
        told.append(f"… {len(arrows) - _TOLD} more")
    drawn = f'{tooltip(*told)}<path class="way{look}{" soft" * soft}" d="{line.path}"/>'
    if line.head:
        drawn += f'<path class="head{look}" d="{line.head}"/>'
    link = ""
    if linked and arrows:
        pairs = sorted({f"{index[arrow.dependent]}>{index[arrow.provider]}" for arrow in arrows})
        link = f' data-ways="{" ".join(pairs)}"'
    return fired, f'<g class="part"{link}>{drawn}</g>'


def _box_size(boxes: Iterable[Box]) -> Size:
    """Of all boxes, so that they line up: what the longest texts need."""
    width, lines = 60.0, 2
    for box in boxes:
        small = max(columns(box.label), 1.15 * columns(state(box))) * SMALL
        width = max(width, columns(box.name) * NAME, small)
        lines = max(lines, 2 + bool(state(box)))
    return Size(min(width, _WIDEST) + 24, 12 + _LINE * lines)


def _box(box: Box, spot: Spot, link: str) -> str:
    ring = rect(spot, 19 if box.service else 6, wider=4, name="ring") if box.root else ""
    parts = [tooltip(about(box)), ring, rect(spot, 16 if box.service else 3)]
    room = spot.width - 20
    lines = [("", cut(box.name, room / NAME)), ("small", cut(box.label, room / SMALL))]
    if state(box):
        lines.append(("strong", state(box)))
    y = spot.top + spot.height / 2 - _LINE * len(lines) / 2 + 11
    for number, (look, words) in enumerate(lines):
        parts.append(text(spot.middle, y + _LINE * number, words, look))
    return f'<g class="box part {box.effect}"{link}>{"".join(parts)}</g>'


def _mark_size(group: GroupMark) -> Size:
    width = max(columns(group.words), min(columns(group.label), 24)) * SMALL + 14
    return Size(width, 32 if group.label else 19)


def _mark(group: GroupMark, spot: Spot, link: str) -> str:
    parts: Iterator[str] = filter(None, [group.label, group.words])
    drawn = tooltip(group.label, group.words, LOOKS[group.effect].word) + rect(spot, 9)
    for number, words in enumerate(parts):
        shown = cut(words, (spot.width - 10) / SMALL)
        drawn += text(spot.middle, spot.top + 13 + 13 * number, shown, "small")
    return f'<g class="mark part {group.effect}"{link}>{drawn}</g>'
