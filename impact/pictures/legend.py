"""The legend: what the looks mean that a picture has."""

from __future__ import annotations

from collections.abc import Iterator

from impact.pictures.picture import LOOKS, Picture
from impact.pictures.pieces import SMALL, Drawing, moved, rect, text
from impact.pictures.routing import Spot
from impact.pictures.text import columns


def legend_of(picture: Picture, room: float) -> Drawing:
    """Samples in rows of some width."""
    parts = []
    x = y = width = 0.0
    for sample, words in _samples(picture):
        wide = 58 + columns(words) * SMALL
        if x and x + wide > room:
            x, y = 0.0, y + 24
        parts.append(moved(sample + text(38, 12, words, "small", anchor="start"), x, y))
        x += wide
        width = max(width, x)
    return Drawing("\n".join(parts), width, y + 18 if parts else 0)


def _samples(picture: Picture) -> Iterator[tuple[str, str]]:
    spot = Spot(1.5, 1.5, 27, 13)
    boxes, arrows = picture.boxes, picture.arrows
    for effect, look in LOOKS.items():
        if any(box.effect == effect for box in boxes):
            yield f'<g class="{effect}">{rect(spot, 3)}</g>', look.label
    if any(box.root for box in boxes):
        rings = rect(spot, 2, wider=-2, name="ring") + rect(spot, 4, wider=1.5, name="ring")
        yield f'<g class="none">{rings}</g>', "root: it begins here 起点"
    if any(box.service for box in boxes):
        yield f'<g class="none">{rect(spot, 6.5)}</g>', "service 服务"
    if picture.groups:
        mark = rect(spot, 6.5) + text(15, 11.5, "1/2", "small")
        yield f'<g class="none">{mark}</g>', "redundancy group 冗余组"
    if any(not arrow.soft for arrow in arrows):
        yield _arrow(""), "stands on 依赖"
    if any(arrow.soft for arrow in arrows):
        yield _arrow("", " soft"), "soft 弱依赖"
    if any(arrow.fired for arrow in arrows):
        yield _arrow(" fired"), "the failure's way 故障路径"


def _arrow(look: str, dash: str = "") -> str:
    return (
        f'<path class="way{look}{dash}" d="M1 8H24"/><path class="head{look}" d="M31 8l-8-4v8z"/>'
    )
