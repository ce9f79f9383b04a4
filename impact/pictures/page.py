"""The page: the drawing with a legend, a search, and a script to look around with."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Final

from impact.pictures.drawing import draw
from impact.pictures.legend import legend_of
from impact.pictures.picture import Picture, tidy
from impact.pictures.pieces import STYLE, framed

_HERE: Final = Path(__file__).parent
_LEGEND_WIDTH: Final = 1240


def html(picture: Picture) -> str:
    """A page that needs no other file and no network.

    It can be moved and zoomed; a CI shows what it stands on and what stands on it; CIs can be searched
    for by all that is known of them.
    """
    picture = tidy(picture)
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    legend = legend_of(picture, _LEGEND_WIDTH)
    parts = {
        "title": escape(picture.title),
        "note": escape(picture.note),
        "style": STYLE,
        "picture": framed(draw(picture, linked=True), "picture"),
        "legend": framed(legend, "legend", margin=0),
        "script": script,
        "digest": b64encode(sha256(script.encode()).digest()).decode(),
    }
    page = (_HERE / "page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], page)
