"""Pictures can be read: by every tool that takes their format, and by people."""

from __future__ import annotations

import random
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from hashlib import sha256
from html import unescape
from html.parser import HTMLParser
from itertools import combinations, pairwise
from typing import Final, NamedTuple
from xml.etree import ElementTree as ET

import networkx as nx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from impact.pictures import Arrow, Box, GroupMark, Picture, dot, html, mermaid, svg

FORMATS: Final = [mermaid, dot, svg, html]
EFFECTS: Final = ["none", "at_risk", "degraded", "down"]
SVG: Final = "{http://www.w3.org/2000/svg}"
ODD: Final = [
    'a "quoted" [x] {y} (z) <b>',
    "<script>alert(1)</script>",
    "]]> <!-- --> &amp; AT&T &#65; #35; #quot;",
    "\\N back\\slash\\",
    "%%{init: {}}%% `code` **bold** _it_",
    "$$x$$ $$$ fa:fa-car",
    "- list",
    "1. list",
    "...",
    "end",
    "style: #x; :::down",
    "a -->|x| b; n0 --> n1",
    "{{script}} {{title}}",
    "核心交换机 😀 👨‍👩‍👧 é",
]


def box(id: str, name: str = "", effect: str = "none", **more: bool) -> Box:
    return Box(
        id,
        name or id,
        "Server",
        "Server 服务器",
        effect,
        more.get("root", False),
        more.get("service", False),
    )


def arrow(dependent: str, provider: str, group: int | None = None, **more: bool) -> Arrow:
    soft, fired = more.get("soft", False), more.get("fired", False)
    return Arrow(dependent, provider, "RUNS_ON", soft, fired, group)


def named(names: list[str]) -> Picture:
    """A picture of boxes so called, each on the one behind it."""
    boxes = [box(str(n), name or " ") for n, name in enumerate(names)]
    arrows = [arrow(one.id, other.id) for one, other in pairwise(boxes)]
    return Picture(names[0] if names else "", boxes, arrows, [], "revision 42, complete")


def on_two_pdus() -> Picture:
    return Picture(
        "PDU-A fails",
        [
            box("shop", "Web shop", "at_risk", service=True),
            box("server", effect="at_risk"),
            box("pdu-a", effect="down", root=True),
            box("pdu-b"),
            box("mail", effect="degraded"),
        ],
        [
            arrow("shop", "server", fired=True),
            arrow("shop", "mail", soft=True),
            arrow("server", "pdu-a", 0, fired=True),
            arrow("server", "pdu-b", 0),
        ],
        [GroupMark("server", "power", 1, 1, 2, "at_risk")],
        "revision 42, complete",
    )


@st.composite
def pictures(draw: st.DrawFn) -> Picture:
    ids = [f"ci-{n}" for n in range(draw(st.integers(0, 12)))]
    boxes = [
        Box(
            id,
            id,
            "T",
            "T 类",
            draw(st.sampled_from(EFFECTS)),
            draw(st.booleans()),
            draw(st.booleans()),
        )
        for id in ids
    ]
    arrows = []
    numbers: dict[tuple[str, int], int] = {}
    end = st.sampled_from(ids) if ids else st.nothing()
    ends = st.lists(st.tuples(end, end, st.sampled_from([None, None, 0, 1])), max_size=24)
    for dependent, provider, which in draw(ends) if ids else []:
        group = None if which is None else numbers.setdefault((dependent, which), len(numbers))
        type = draw(st.sampled_from(["RUNS_ON", "CALLS"]))
        soft, fired = draw(st.booleans()), draw(st.booleans())
        arrows.append(Arrow(dependent, provider, type, soft, fired, group))
    groups = [
        GroupMark(
            dependent, draw(st.sampled_from(["", "psu"])), 1, 1, 2, draw(st.sampled_from(EFFECTS))
        )
        for dependent, _ in numbers
    ]
    return Picture("Title", boxes, arrows, groups, "note")


class Spot(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Spot) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def holds(self, x: float, y: float) -> bool:
        """Whether a point is inside, and not at the border."""
        return self.left + 1 < x < self.right - 1 and self.top + 1 < y < self.bottom - 1


class Seen(NamedTuple):
    """What is in an SVG, where it is on the page."""

    boxes: dict[str, Spot]
    marks: list[Spot]
    points: list[tuple[float, float]]
    size: Spot


def seen(picture: Picture) -> Seen:
    root = ET.fromstring(svg(picture))
    left, top, width, height = map(float, root.attrib["viewBox"].split())
    found = Seen({}, [], [], Spot(left, top, left + width, top + height))
    parts = [(root, 0.0, 0.0)]
    for element, x, y in parts:
        if moved := re.match(r"translate\((\S+) (\S+)\)", element.get("transform", "")):
            x, y = x + float(moved[1]), y + float(moved[2])
        parts += [(part, x, y) for part in element]
        names = element.get("class", "").split()
        if "part" not in names:
            continue
        for path in element.findall(f"{SVG}path"):
            found.points.extend((x + px, y + py) for px, py in points_of(path.attrib["d"]))
        rects = [rect for rect in element.findall(f"{SVG}rect") if rect.get("class") != "ring"]
        for rect in rects:
            at = [float(rect.attrib[name]) for name in ("x", "y", "width", "height")]
            spot = Spot(x + at[0], y + at[1], x + at[0] + at[2], y + at[1] + at[3])
            if "mark" in names:
                found.marks.append(spot)
            else:
                found.boxes[title_of(element).split("\n")[0]] = spot
    return found


def title_of(element: ET.Element) -> str:
    return element.findtext(f"{SVG}title") or ""


def points_of(path: str) -> Iterator[tuple[float, float]]:
    """Points along a path, close together."""
    x = y = 0.0
    for command, text in re.findall(r"([MVClhz])([^MVClhz]*)", path):
        values = [float(value) for value in re.findall(r"-?[\d.]+", text)]
        if command in "lhz":  # the tip of an arrow
            return
        if command == "M":
            x, y = values
        elif command == "V":
            for n in range(21):
                yield x, y + (values[0] - y) * n / 20
            y = values[0]
        else:
            for n in range(41):
                t = n / 40
                weights = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
                yield (
                    sum(w * v for w, v in zip(weights, (x, *values[::2]), strict=True)),
                    sum(w * v for w, v in zip(weights, (y, *values[1::2]), strict=True)),
                )
            x, y = values[4:]


def names_in_svg(drawn: str) -> list[str]:
    groups = ET.fromstring(drawn).iter(f"{SVG}g")
    return [title_of(g).split("\n")[0] for g in groups if "box" in g.get("class", "").split()]


class Page(HTMLParser):
    """A page as a browser takes it apart."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.script = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open.append("box" if "data-box" in dict(attrs) else tag)
        if self._open[-2:] == ["box", "title"]:
            self.names.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open or (tag == "g" and "box" in self._open):
            while self._open.pop() not in {tag, "box" if tag == "g" else tag}:
                pass

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self._open[-2:] == ["box", "title"]:
            self.names[-1] += data
        elif self._open[-1:] == ["script"]:
            self.script += data


def names_in_html(page: str) -> list[str]:
    return [name.split("\n")[0] for name in Page(page).names]


MERMAID_LINE: Final = re.compile(
    r"""(?x) \ {4}(?:
        n\d+ (?: \[" (?P<plain>[^"]*) "\] | \(\[" (?P<service>[^"]*) "\]\) | \[\[" (?P<root>[^"]*) "\]\] )
        | g\d+ \(\[" (?: [\w\ .-] | \#\d+; | <br/> )* "\]\)
        | (?:n|g)\d+ \  (?: --+> | ==+> | ---+ | ===+ | -\.+->? ) \  (?:n|g)\d+
        | classDef \  \w+ \  [\w:#,.\ -]+
        | class \  [ng\d,]+ \  \w+
        | linkStyle \  [\d,]+ \  stroke-width:3.5px
    )"""
)


def names_in_mermaid(text: str) -> list[str]:
    names = []
    lines = text.rstrip("\n").split("\n")
    if lines[0] == "---":
        assert lines[2] == "---"
        del lines[:3]
    assert lines[0] == "flowchart TB"
    for line in lines[1:]:
        found = MERMAID_LINE.fullmatch(line)
        assert found, line
        label = found["plain"] or found["service"] or found["root"]
        if label:
            parts = label.split("<br/>")
            assert all(re.fullmatch(r"(?:[\w .-]|#\d+;)*", part) for part in parts), line
            name = re.sub(r"#(\d+);", lambda code: chr(int(code[1])), parts[0])
            names.append(name.replace("\u2060", ""))
    return names


def names_in_dot(text: str) -> list[str]:
    labels = re.findall(r'^    n\d+ \[label="((?:[^"\\]|\\.)*)"', text, re.MULTILINE)
    bare = re.sub(r'"(?:[^"\\\n]|\\.)*"', "", text)
    for line in bare.rstrip("\n").split("\n"):
        assert re.fullmatch(
            r"digraph impact \{|    (?:graph|node|edge|n\d+|g\d+) \[[\w=, .]*\];"
            r"|    \{ rank=min;(?: n\d+;)+ \}|    [ng]\d+ -> [ng]\d+ \[[\w=, .]*\];|\}",
            line,
        ), line
    lines = [re.sub(r"\\(.)", lambda sign: {"n": "\n"}.get(sign[1], sign[1]), t) for t in labels]
    return [unescape(line).split("\n")[0] for line in lines]


READERS: Final = [
    (svg, names_in_svg),
    (html, names_in_html),
    (mermaid, names_in_mermaid),
    (dot, names_in_dot),
]


def format_names(value: object) -> str | None:
    return getattr(value, "__name__", None)


@pytest.mark.parametrize(("draw", "read"), READERS, ids=format_names)
@given(
    st.lists(
        st.text(
            st.characters(
                exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters="\ufffe\uffff"
            )
        )
    )
)
@example(ODD)
def test_every_name_survives(
    draw: Callable[[Picture], str], read: Callable[[str], list[str]], names: list[str]
) -> None:
    expected = [name if name.strip() else str(n) for n, name in enumerate(names)]
    found = read(draw(named(names)))
    if draw is mermaid:  # it puts in some of these itself, where they are not seen
        expected = [name.replace("\u2060", "") for name in expected]
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize(("draw", "read"), READERS, ids=format_names)
@given(st.lists(st.text(st.characters(exclude_categories=[])), max_size=4))
@example(["web\n01", "\x00\x1b[31m", "\r\n\t", "\x85\u2028", "\ud800", "\ufffe"])
def test_no_character_breaks_a_picture(
    draw: Callable[[Picture], str], read: Callable[[str], list[str]], names: list[str]
) -> None:
    drawn = draw(named(names))
    drawn.encode()
    assert len(read(drawn)) == len(names)


@pytest.mark.parametrize(("draw", "read"), READERS, ids=format_names)
def test_control_characters_are_shown_as_signs(
    draw: Callable[[Picture], str], read: Callable[[str], list[str]]
) -> None:
    assert read(draw(named(["web\n01\x00\x7f"]))) == ["web␊01␀␡"]


def test_a_long_name_is_cut_in_the_middle_and_whole_in_the_tooltip() -> None:
    name = "核心交换机" * 5 + "-" + "web" * 20 + "-01"
    root = ET.fromstring(svg(Picture("", [box("a", name)], [], [], "")))
    (drawn,) = [g for g in root.iter(f"{SVG}g") if "box" in g.get("class", "")]
    shown = drawn.findtext(f"{SVG}text") or ""
    assert title_of(drawn).split("\n")[0] == name
    assert shown.startswith("核心交换机")
    assert shown.endswith("web-01")
    assert len(shown) < 28


def test_chinese_takes_twice_the_room() -> None:
    def width(name: str) -> float:
        spot = seen(Picture("", [box("a", name)], [], [], "")).boxes[name]
        return spot.right - spot.left

    assert width("交" * 10) == pytest.approx(width("x" * 20))
    assert width("交" * 10) > width("x" * 16)


# -- places ---------------------------------------------------------------------------------------


@given(pictures())
def test_a_dependent_is_above_its_provider(picture: Picture) -> None:
    graph = nx.DiGraph([(arrow.dependent, arrow.provider) for arrow in picture.arrows])
    spots = seen(picture).boxes
    for dependent, provider in graph.edges:
        if not nx.has_path(graph, provider, dependent):
            assert spots[dependent].bottom < spots[provider].top


@given(pictures())
def test_services_that_nobody_stands_on_are_at_the_top(picture: Picture) -> None:
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(box.id for box in picture.boxes)
    graph.add_edges_from((arrow.dependent, arrow.provider) for arrow in picture.arrows)
    graph.remove_edges_from(list(nx.selfloop_edges(graph)))
    spots = seen(picture).boxes
    services = {box.id for box in picture.boxes if box.service and not graph.in_degree(box.id)}
    for joined in nx.weakly_connected_components(graph):
        if len(joined & services) <= 7:  # more are in several rows
            top = min(spots[id].top for id in joined)
            assert all(spots[id].top == top for id in joined & services)


@given(pictures())
def test_nothing_overlaps_and_lines_go_around_boxes(picture: Picture) -> None:
    found = seen(picture)
    spots = [*found.boxes.values(), *found.marks]
    for one, other in combinations(spots, 2):
        assert not one.overlaps(other)
    for x, y in found.points:
        assert not any(spot.holds(x, y) for spot in spots)
        assert found.size.holds(x, y)
    for spot in spots:
        assert found.size.overlaps(spot)
        assert found.size.left <= spot.left
        assert spot.right <= found.size.right
        assert spot.bottom <= found.size.bottom


@given(pictures())
def test_a_group_is_right_under_its_dependent(picture: Picture) -> None:
    found = seen(picture)
    assert len(found.marks) == len(picture.groups)
    boxes = [found.boxes[group.dependent] for group in picture.groups]
    for mark in found.marks:
        assert any(
            0 < mark.top - box.bottom < 12 and box.left <= mark.left and mark.right <= box.right
            for box in boxes
        )


@given(pictures(), st.randoms(use_true_random=False))
def test_a_picture_is_the_same_whatever_the_order(picture: Picture, rng: random.Random) -> None:
    boxes, arrows = list(picture.boxes), list(picture.arrows)
    places = list(range(len(picture.groups)))
    for some in (boxes, arrows, places):
        rng.shuffle(some)
    moved = {old: new for new, old in enumerate(places)}
    other = Picture(
        picture.title,
        boxes,
        [a if a.group is None else a._replace(group=moved[a.group]) for a in arrows],
        [picture.groups[old] for old in places],
        picture.note,
    )
    for draw in FORMATS:
        assert draw(other) == draw(picture)


def test_groups_that_look_alike_have_an_order_too() -> None:
    boxes = [box(id) for id in "abc"]
    groups = [GroupMark("a", "", 1, 1, 2, "down")] * 2
    arrows = [arrow("a", "b", 0), arrow("a", "b", 1, fired=True), arrow("a", "a", 0)]
    swapped = [a._replace(group=1 - (a.group or 0)) for a in arrows]
    for draw in FORMATS:
        one, other = (draw(Picture("", boxes, some, groups, "")) for some in (arrows, swapped))
        assert one == other


def test_many_on_one_stay_together() -> None:
    machines = [box(f"vm-{n}") for n in range(180)]
    array = box("san", effect="down", root=True)
    found = seen(Picture("", [array, *machines], [arrow(vm.id, "san") for vm in machines], [], ""))
    width, height = found.size.right - found.size.left, found.size.bottom - found.size.top
    assert height / 2 < width < 3 * height


@pytest.mark.parametrize(
    "pairs",
    [
        pytest.param([(n, n + step) for step in (1, 500) for n in range(1_000 - step)], id="deep"),
        pytest.param(
            [(n, (7 * n + k * k) % 1_000) for n in range(1_000) for k in (1, 9, 31)], id="meshed"
        ),
    ],
)
def test_the_size_of_a_picture_is_bounded(pairs: list[tuple[int, int]]) -> None:
    boxes = [box(f"ci-{n:04}") for n in range(1_000)]
    arrows = [arrow(boxes[dependent].id, boxes[provider].id) for dependent, provider in pairs]
    assert len(svg(Picture("", boxes, arrows, [], ""))) < 6_000_000


# -- what is shown --------------------------------------------------------------------------------


@pytest.mark.parametrize("draw", FORMATS)
def test_everything_is_told_in_words(draw: Callable[[Picture], str]) -> None:
    text = re.sub(r"#(\d+);", lambda code: chr(int(code[1])), draw(on_two_pdus()))
    for word in (
        "PDU-A fails",
        "revision 42, complete",
        "Web shop",
        "Server 服务器",
        "1 left of 2, 1 needed",
        "power",
        "at risk",
        "degraded",
        "root · down",
    ):
        assert word in text


def test_a_drawing_tells_lines_and_boxes_apart() -> None:
    root = ET.fromstring(svg(on_two_pdus()))
    ways: dict[str, str] = {}
    for group in root.iter(f"{SVG}g"):
        path = group.find(f"{SVG}path[@class]")
        if group.get("class") == "part" and path is not None and "C" in path.attrib["d"]:
            ways[title_of(group)] = path.attrib["class"]
    assert ways == {
        "Web shop → server: RUNS_ON": "way fired",
        "Web shop → mail: RUNS_ON": "way soft",
        "server → pdu-a: RUNS_ON": "way fired",
        "server → pdu-b: RUNS_ON": "way",
    }
    (pdu,) = [g for g in root.iter(f"{SVG}g") if title_of(g).startswith("pdu-a")]
    assert pdu.attrib["class"] == "box part down"
    assert pdu.find(f"{SVG}rect[@class='ring']") is not None
    style = root.findtext(f"{SVG}style") or ""
    borders = re.findall(
        r"^\.\w+ rect\{.*?stroke-width:(\S+?);stroke-dasharray:(.+?)\}", style, re.M
    )
    assert len(set(borders)) == len(EFFECTS)
    assert "prefers-color-scheme:dark" in style


def test_the_legend_explains_what_is_there_and_no_more() -> None:
    assert "redundancy group" in svg(on_two_pdus())
    plain = svg(Picture("", [box("a")], [], [], ""))
    assert "not affected" in plain
    assert "redundancy group" not in plain
    assert "at risk 有风险" not in plain


def test_mermaid_as_a_whole() -> None:
    assert mermaid(on_two_pdus()).split("    classDef")[0] == (
        "---\n"
        'title: "PDU-A fails · revision 42, complete"\n'
        "---\n"
        "flowchart TB\n"
        '    n0(["Web shop<br/>Server 服务器<br/>at risk"])\n'
        '    n1["mail<br/>Server 服务器<br/>degraded"]\n'
        '    n2[["pdu-a<br/>Server 服务器<br/>root #183; down"]]\n'
        '    n3["pdu-b<br/>Server 服务器"]\n'
        '    n4["server<br/>Server 服务器<br/>at risk"]\n'
        '    g0(["power<br/>1 left of 2#44; 1 needed"])\n'
        "    n4 === g0\n"
        "    g0 ==> n2\n"
        "    g0 --> n3\n"
        "    n0 -.-> n1\n"
        "    n0 ==> n4\n"
    )


def test_dot_as_a_whole() -> None:
    lines = dot(on_two_pdus()).split("\n")
    assert lines[1].startswith('    graph [label="PDU-A fails\\nrevision 42, complete"')
    assert [re.sub(r"\s*\[.*", "", line) for line in lines if "->" in line] == [
        "    n4 -> g0",
        "    g0 -> n2",
        "    g0 -> n3",
        "    n0 -> n1",
        "    n0 -> n4",
    ]
    assert '    n0 -> n1 [style=dashed, tooltip="RUNS_ON"];' in lines
    assert '    n0 -> n4 [penwidth=3, tooltip="RUNS_ON"];' in lines
    assert "    { rank=min; n0; }" in lines
    assert sum("peripheries=2" in line for line in lines) == 1


def test_arrows_that_differ_by_type_alone_are_one() -> None:
    boxes = [box("a"), box("b")]
    arrows = [arrow("a", "b"), arrow("a", "b", fired=True)._replace(type="CALLS")]
    drawn = svg(Picture("", boxes, arrows, [], ""))
    assert drawn.count("<title>a → b: CALLS, RUNS_ON</title>") == 1
    assert drawn.count('class="way fired"') == 2  # and in the legend


@pytest.mark.parametrize("draw", FORMATS)
def test_what_has_an_end_outside_is_left_out(draw: Callable[[Picture], str]) -> None:
    boxes, group = [box("a")], GroupMark("b", "", 0, 1, 1, "down")
    arrows = [arrow("a", "b"), arrow("b", "a", 0), arrow("a", "a")]
    assert draw(Picture("", boxes, arrows, [group], "")) == draw(Picture("", boxes, [], [], ""))


@pytest.mark.parametrize("draw", FORMATS)
def test_nothing_can_be_drawn_too(draw: Callable[[Picture], str]) -> None:
    assert draw(Picture("", [], [], [], ""))
    assert "nothing to show" in svg(Picture("", [], [], [], ""))


# -- the page -------------------------------------------------------------------------------------


def test_the_page_asks_the_network_for_nothing() -> None:
    source = html(on_two_pdus())
    page = Page(source)
    for tag, attributes in page.tags:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base", "use", "image"}
        assert not {"src", "href", "xlink:href", "action", "style"} & attributes.keys()
        assert not any(name.startswith("on") for name in attributes)
    assert "url(" not in source
    assert "@import" not in source
    assert set(re.findall(r"https?:[^\"' ]*", source)) == {"http://www.w3.org/2000/svg"}


def test_the_page_runs_its_own_script_and_no_other() -> None:
    page = Page(html(named(ODD)))
    digest = b64encode(sha256(page.script.encode()).digest()).decode()
    (policy,) = [a["content"] for _, a in page.tags if a.get("http-equiv")]
    assert f"script-src 'sha256-{digest}'" in str(policy)
    assert "default-src 'none'" in str(policy)
    assert [tag for tag, _ in page.tags].count("script") == 1


def test_the_page_knows_what_stands_on_what() -> None:
    page = Page(html(on_two_pdus()))
    boxes = [a["data-box"] for _, a in page.tags if "data-box" in a]
    numbers = {name.split("\n")[0]: n for n, name in zip(boxes, page.names, strict=True)}
    ways = {way for _, a in page.tags for way in (a.get("data-ways") or "").split()}
    expected = [
        ("Web shop", "server"),
        ("Web shop", "mail"),
        ("server", "pdu-a"),
        ("server", "pdu-b"),
    ]
    assert ways == {f"{numbers[dependent]}>{numbers[provider]}" for dependent, provider in expected}
    assert [a["data-of"] for _, a in page.tags if "data-of" in a] == [numbers["server"]]


@given(pictures())
def test_the_drawing_in_the_page_is_xml(picture: Picture) -> None:
    for drawn in re.findall(r"<svg .*?</svg>", html(picture), re.DOTALL):
        ET.fromstring(drawn)
