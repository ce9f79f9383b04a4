"""Pictures of an impact analysis: Mermaid, DOT, SVG, and a page to look around in.

Services are at the top, what they stand on below. Pure: plain values in, text out.
"""

from impact.pictures.drawing import svg
from impact.pictures.markup import dot, mermaid
from impact.pictures.page import html
from impact.pictures.picture import Arrow, Box, GroupMark, Picture

__all__ = ["Arrow", "Box", "GroupMark", "Picture", "dot", "html", "mermaid", "svg"]
