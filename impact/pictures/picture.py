"""What a picture of an impact analysis shows, and how it is told apart."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final, NamedTuple

from impact.pictures.text import clean


class Box(NamedTuple):
    """A configuration item.

    Attributes
    ----------
    label
        Of its type, as people read it: ``Server 服务器``.
    effect
        ``none``, ``at_risk``, ``degraded`` or ``down``.
    root
        Whether it was given its effect: the failure comes from here.
    service
        Whether it is drawn at the top, where the order allows it.
    """

    id: str
    name: str
    type: str
    label: str
    effect: str
    root: bool
    service: bool


class Arrow(NamedTuple):
    """That one CI stands on another: ``dependent`` and ``provider`` are ids of boxes.

    Attributes
    ----------
    type
        The relationship type.
    fired
        Whether it is a step of an explaining path.
    group
        The place in `Picture.groups` of the redundancy group that the provider is a member of.
    """

    dependent: str
    provider: str
    type: str
    soft: bool
    fired: bool
    group: int | None


class GroupMark(NamedTuple):
    """A redundancy group of a dependent CI: how many members are left, and what that does to it.

    Attributes
    ----------
    label
        What it is a group of, if that has a name.
    """

    dependent: str
    label: str
    left: int
    needed: int
    total: int
    effect: str

    @property
    def words(self) -> str:
        """As it is written: ``1 left of 2, 1 needed``."""
        return f"{self.left} left of {self.total}, {self.needed} needed"


class Picture(NamedTuple):
    """All that is drawn.

    Attributes
    ----------
    note
        What the reader should know of it: ``revision 42, complete``.
    """

    title: str
    boxes: list[Box]
    arrows: list[Arrow]
    groups: list[GroupMark]
    note: str


class Look(NamedTuple):
    """How an effect looks: colours of which each is darker than the one before, and a border."""

    word: str
    label: str
    fill: str
    line: str
    ink: str
    dash: str
    width: float


LOOKS: Final = {
    "none": Look("", "not affected 未受影响", "#ffffff", "#8792a0", "#1c2127", "", 1),
    "at_risk": Look("at risk", "at risk 有风险", "#fff4c2", "#8a6d00", "#1c2127", "2 2", 1.5),
    "degraded": Look("degraded", "degraded 降级", "#ffb454", "#8a4a00", "#1c2127", "7 3", 2),
    "down": Look("down", "down 中断", "#a3260f", "#4d0f04", "#ffffff", "", 3),
}


def state(box: Box) -> str:
    """The effect in words, and whether the failure comes from here: ``root · down``."""
    return " · ".join(filter(None, ["root" * box.root, LOOKS[box.effect].word]))


def about(box: Box) -> str:
    """All that is known of a CI, a line each."""
    kind = box.label if box.type in box.label else f"{box.label} ({box.type})"
    return "\n".join(filter(None, [box.name, kind, state(box), clean(box.id)]))


def tidy(picture: Picture) -> Picture:
    """The same picture in an order of its own, whatever the order it came in.

    Text is fit to be shown; what has no name is called by its id. Arrows that differ by their
    relationship types alone are one. What has an end outside of the picture, or the same at both ends,
    is left out.
    """
    known: dict[str, Box] = {}
    for box in sorted(picture.boxes):
        name = clean(box.name if box.name.strip() else box.id)
        shown = box._replace(name=name, type=clean(box.type), label=clean(box.label))
        known.setdefault(box.id, shown)
    members: dict[int, list[Arrow]] = {}
    for arrow in picture.arrows:
        if arrow.group is not None:
            members.setdefault(arrow.group, []).append(arrow._replace(group=None))
    kept = [n for n, group in enumerate(picture.groups) if group.dependent in known]
    kept.sort(key=lambda n: (picture.groups[n], sorted(members.get(n, []))))
    number = {old: new for new, old in enumerate(kept)}
    arrows = []
    for arrow in picture.arrows:
        if len({arrow.dependent, arrow.provider} & known.keys()) == 2:
            group = None if arrow.group is None else number.get(arrow.group)
            arrows.append(arrow._replace(type=clean(arrow.type), group=group))
    return Picture(
        clean(picture.title),
        sorted(known.values(), key=lambda box: (box.name, box.id)),
        [_one(list(same)) for _, same in groupby(sorted(arrows, key=_ends), key=_ends)],
        [picture.groups[n]._replace(label=clean(picture.groups[n].label)) for n in kept],
        clean(picture.note),
    )


def _ends(arrow: Arrow) -> tuple[str, str, int]:
    return arrow.dependent, arrow.provider, -1 if arrow.group is None else arrow.group


def _one(same: Sequence[Arrow]) -> Arrow:
    return same[0]._replace(
        type=", ".join(sorted({arrow.type for arrow in same})),
        soft=all(arrow.soft for arrow in same),
        fired=any(arrow.fired for arrow in same),
    )
