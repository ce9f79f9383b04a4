"""Pieces of SVG, and how they look."""

from __future__ import annotations

from html import escape
from typing import Final, NamedTuple

from impact.pictures.picture import LOOKS
from impact.pictures.routing import Spot

NAME: Final = 7.2
SMALL: Final = 6.3
TITLE: Final = 10.0
"""Pixels of a small letter in a name, in what stands under it, and in a title."""
MARGIN: Final = 24

STYLE: Final = (
    """
text{font-size:12px;font-family:system-ui,"Segoe UI",Roboto,Helvetica,Arial,"PingFang SC","Microsoft YaHei",sans-serif;
fill:#1c2127}
text.small{font-size:10.5px}text.strong{font-size:10.5px;font-weight:700}
text.title{font-size:17px;font-weight:600}text.faint{fill:#5b6672}
.ground{fill:#fff}.way{fill:none;stroke:#98a2ae;stroke-width:1.2}.head{fill:#98a2ae}
.fired.way{stroke:#2b3036;stroke-width:3}.fired.head{fill:#2b3036}
.soft{stroke-dasharray:5 4}.fired.soft{stroke-dasharray:10 5}
"""
    + "".join(
        f".{effect} rect{{fill:{look.fill};stroke:{look.line};stroke-width:{look.width};"
        f"stroke-dasharray:{look.dash or 'none'}}}.{effect} text{{fill:{look.ink}}}\n"
        for effect, look in LOOKS.items()
    )
    + """g rect.ring{fill:none;stroke-width:1.5}
@media (prefers-color-scheme:dark){
text{fill:#e4e8ee}text.faint{fill:#9aa5b1}.ground{fill:#14181d}
.way{stroke:#596673}.head{fill:#596673}.fired.way{stroke:#f2f4f7}.fired.head{fill:#f2f4f7}
.none rect{fill:#242b34;stroke:#7b8794}.none text{fill:#e4e8ee}
.at_risk rect{fill:#453c17;stroke:#e8cf5a}.at_risk text{fill:#fdf3c4}
.degraded rect{fill:#a35a00;stroke:#ffc37a}.degraded text{fill:#fff}
.down rect{fill:#ff8a6b;stroke:#ffe0d6}.down text{fill:#2b0700}
g rect.ring{fill:none}}
"""
)


class Drawing(NamedTuple):
    """Something drawn, from (0, 0) on."""

    text: str
    width: float
    height: float


def framed(drawing: Drawing, name: str, margin: float = MARGIN) -> str:
    """A drawing as an element of its own."""
    size = f"{pixels(drawing.width + 2 * margin)} {pixels(drawing.height + 2 * margin)}"
    width, height = size.split()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{name}" width="{width}" height="{height}" '
        f'viewBox="{pixels(-margin)} {pixels(-margin)} {size}">\n{drawing.text}\n</svg>\n'
    )


def rect(spot: Spot, corner: float, *, wider: float = 0, name: str = "") -> str:
    """A rectangle with round corners, by so much wider on all sides."""
    look = f' class="{name}"' if name else ""
    return (
        f'<rect{look} x="{pixels(spot.left - wider)}" y="{pixels(spot.top - wider)}" '
        f'width="{pixels(spot.width + 2 * wider)}" height="{pixels(spot.height + 2 * wider)}" '
        f'rx="{pixels(corner)}"/>'
    )


def text(x: float, y: float, words: str, look: str = "", *, anchor: str = "middle") -> str:
    """One line of text."""
    name = f' class="{look}"' if look else ""
    place = f'x="{pixels(x)}" y="{pixels(y)}"'
    return f'<text{name} {place} text-anchor="{anchor}">{escape(words)}</text>'


def tooltip(*lines: str) -> str:
    """What a reader is told who points at something."""
    told = "\n".join(filter(None, lines))
    return f"<title>{escape(told)}</title>" if told else ""


def moved(drawn: str, x: float, y: float) -> str:
    """The same elsewhere."""
    return f'<g transform="translate({pixels(x)} {pixels(y)})">\n{drawn}\n</g>'


def pixels(number: float) -> str:
    """A number as SVG wants it: ``12.5``."""
    return f"{number:.1f}".removesuffix(".0")
