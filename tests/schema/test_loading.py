"""Model files: what they may say, what they may not, and where each mistake is said to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from schema.errors import ModelError
from schema.loading import load_model, model_folders
from tests.conftest import SMALL_MODEL

BASE = """\
record_types:
  Record:
    label: {en: Record, zh: 记录}
    abstract: true
    attributes:
      name: {kind: string, required: true, label: {en: Name, zh: 名称}}
  Thing:
    parent: Record
    label: {en: Thing, zh: 物}
"""
LINK = (
    "relationship_types:\n  HOLDS: {label: {en: holds, zh: 持}, inverse: HELD_BY,"
    " inverse_label: {en: held by, zh: 被持}, source: [Thing], target: [Thing]"
)
MACHINE = (
    "state_machines:\n  life:\n    label: {en: Life, zh: 生命}\n    initial: new\n    states:\n"
)


def mistakes(folder: Path, more: str, base: str = BASE) -> list[str]:
    """What is wrong with two files, as ``file:line what``; each must come with a remedy."""
    (folder / "a.yaml").write_text(base, encoding="utf-8")
    (folder / "b.yaml").write_text(more, encoding="utf-8")
    with pytest.raises(ModelError) as caught:
        load_model([folder], shipped=False)
    for mistake in caught.value.mistakes:
        assert mistake.remedy
    assert caught.value.mistakes[0].what in str(caught.value)
    return [f"{Path(m.where).name} {m.what}" for m in caught.value.mistakes]


def type_(text: str) -> str:
    return f"record_types:\n  Box: {{parent: Thing, label: {{en: Box, zh: 箱}}, {text}}}\n"


def attribute(text: str) -> str:
    label = "label: {en: Size, zh: 大}"
    return f"record_types:\n  Box:\n    parent: Thing\n    label: {{en: Box, zh: 箱}}\n    attributes:\n      size: {{{label}, {text}}}\n"


@pytest.mark.parametrize(
    ("more", "where", "what"),
    [
        ("record_types:\n  Box: {parent: Nothing, label: {en: B, zh: 箱}}\n", "b.yaml:2", "the parent Nothing of Box is not declared"),
        ("record_types:\n  Box: {label: {en: B, zh: 箱}}\n", "b.yaml:2", "Box has no parent"),
        ("record_types:\n  Box: {parent: Thing}\n", "b.yaml:2", "Box has no label"),
        ("record_types:\n  Box: {parent: Thing, label: {en: B}}\n", "b.yaml:2", "zh"),
        ("record_types:\n  box: {parent: Thing, label: {en: B, zh: 箱}}\n", "b.yaml:2", "box"),
        ("record_types:\n  Query: {parent: Thing, label: {en: Q, zh: 问}}\n", "b.yaml:2", "Query is a reserved name"),
        ("record_types:\n  A: {parent: B, label: {en: A, zh: 甲}}\n  B: {parent: A, label: {en: B, zh: 乙}}\n", "b.yaml:2", "A -> B -> A is a cycle"),
        ("record_types:\n  Thing: {parent: Record, label: {en: T, zh: 物}}\n", "b.yaml:2", "Thing is declared already at"),
        ("record_types:\n  Box: {extend: true, abstract: true}\n", "b.yaml:2", "Box extends nothing"),
        (type_("") + "  Box: {parent: Thing, label: {en: B, zh: 箱}}\n", "b.yaml:3", "Box is written twice"),
        (type_("colour: red"), "b.yaml:2", "colour"),
        (type_("unique: [[name, size]]"), "b.yaml:2", "unique of Box names size"),
        (type_("identification: [[serial]]"), "b.yaml:2", "identification of Box names serial"),
        (type_("state_machine: life"), "b.yaml:2", "the state machine life of Box is not declared"),
        (type_("redundancy: {HOLDS: {needed: 1}}"), "b.yaml:2", "redundancy over HOLDS"),
        (attribute("kind: integer, format: time_zone"), "b.yaml:6", "integer is no time_zone"),
        (attribute("kind: json, format: sundial"), "b.yaml:6", "format"),
        (attribute("kind: integer, pattern: x"), "b.yaml:6", "integer takes no pattern"),
        (attribute("kind: string, minimum: 1"), "b.yaml:6", "string takes no minimum"),
        (attribute("kind: float"), "b.yaml:6", "kind"),
        (attribute("kind: enum"), "b.yaml:6", "has `values`"),
        (attribute("kind: string, values: {a: {en: A, zh: 甲}}"), "b.yaml:6", "has `values`"),
        (attribute("kind: reference"), "b.yaml:6", "has `to`"),
        (attribute("kind: reference, to: Nobody"), "b.yaml:6", "refers to Nobody"),
        (attribute("kind: integer, default: many"), "b.yaml:6", "the default of size of Box 'many' is not an integer"),
        (attribute("kind: json, unique: true"), "b.yaml:6", "json cannot be unique"),
        (attribute("kind: text, indexed: true"), "b.yaml:6", "text cannot be indexed"),
        (attribute("kind: string, sensitive: true, searchable: true"), "b.yaml:6", "sensitive and searchable"),
        (attribute("kind: string, pattern: '['"), "b.yaml:6", "pattern"),
        (attribute("kind: string").replace("size:", "id:"), "b.yaml:6", "id is a reserved attribute name"),
        (attribute("kind: string").replace("size:", "name:"), "b.yaml:6", "Box declares name again, which it inherits from Record"),
        (attribute("kind: integer") + "  Can:\n    parent: Thing\n    label: {en: C, zh: 罐}\n    attributes:\n      size: {kind: string, label: {en: S, zh: 大}}\n", "b.yaml:11", "size is string in Can and integer in Box"),
        (LINK.replace("source: [Thing]", "source: [Nobody]") + "}", "b.yaml:2", "HOLDS names Nobody at its source"),
        (LINK.replace("target: [Thing]", "target: []") + "}", "b.yaml:2", "HOLDS has no target"),
        (LINK.replace("inverse: HELD_BY, ", "") + "}", "b.yaml:2", "HOLDS has no inverse"),
        (LINK.replace("HELD_BY", "HOLDS") + "}", "b.yaml:2", "the inverse name HOLDS of HOLDS is taken"),
        (LINK.replace("HOLDS", "holds") + "}", "b.yaml:2", "holds"),
        (LINK + ", impact: {provider: somewhere}}", "b.yaml:2", "impact"),
        (LINK + ", attributes: {n: {kind: integer, unique: true, label: {en: N, zh: 数}}}}", "b.yaml:2", "neither unique nor indexed"),
        (MACHINE + "      old: {label: {en: O, zh: 旧}, terminal: true}\n", "b.yaml:2", "the initial state new of life"),
        (MACHINE + "      new: {label: {en: N, zh: 新}}\n", "b.yaml:6", "new of life is a dead end"),
        (MACHINE + "      new: {label: {en: N, zh: 新}, terminal: true}\n      old: {label: {en: O, zh: 旧}, terminal: true}\n", "b.yaml:7", "no transition of life leads to the state old"),
        (MACHINE + "      new: {label: {en: N, zh: 新}}\n    transitions:\n      go: {label: {en: G, zh: 走}, source: [new], target: gone}\n", "b.yaml:8", "go of life names the state gone"),
        ("record_types: [Box]\n", "b.yaml:1", "record_types"),
        ("record_types:\n\tBox: {}\n", "b.yaml:2", "not readable as YAML"),
        ("nonsense: {}\n", "b.yaml:1", "nonsense"),
        ("record_types: &x {Box: *x}\n", "b.yaml", "an anchor holds an alias of itself"),
        ("just text", "b.yaml", "the file"),
    ],
)  # fmt: skip
def test_a_mistake_names_file_line_and_remedy(
    tmp_path: Path, more: str, where: str, what: str
) -> None:
    found = mistakes(tmp_path, more)
    assert any(m.startswith(where) and what in m for m in found), found


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    more = "record_types:\n  A: {parent: Nobody, label: {en: A, zh: 甲}}\n  B: {parent: Thing}\n"
    assert len(mistakes(tmp_path, more)) == 2


def test_without_a_root_nothing_stands(tmp_path: Path) -> None:
    assert "the root type Record is missing" in mistakes(tmp_path, "", "record_types: {}\n")[0]


def test_a_file_in_another_encoding_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes("record_types: {} # 记录".encode("gb18030"))
    with pytest.raises(ModelError, match="not readable"):
        load_model([tmp_path], shipped=False)


def test_an_operator_extends_and_adds(tmp_path: Path) -> None:
    (tmp_path / "ours.yaml").write_text(
        "record_types:\n"
        "  Device:\n    extend: true\n    attributes:\n"
        "      floor: {kind: integer, minimum: -3, label: {en: Floor, zh: 楼层}}\n"
        "      colour: {kind: enum, label: {en: Colour, zh: 颜色}, values: {green: {en: Green, zh: 绿}}}\n"
        "  Drone: {parent: Device, label: {en: Drone, zh: 无人机}}\n"
        "relationship_types:\n  RUNS_ON: {extend: true, target: [Device, Box]}\n",
        encoding="utf-8",
    )
    model = load_model([SMALL_MODEL, tmp_path], shipped=False)
    assert model.attribute("Drone", "floor").minimum == -3
    assert set(model.attribute("Server", "colour").values) == {"green"}
    assert model.attribute("Device", "size").maximum == 1_000_000
    assert "Box" in model.relationship_type("RUNS_ON").targets
    assert model.relationship_type("RUNS_ON").attributes["port"].required
    plain = load_model([SMALL_MODEL], shipped=False)
    assert "Drone" not in plain.record_types
    assert plain.fingerprint != model.fingerprint


def test_the_operators_folders_come_from_the_environment(tmp_path: Path) -> None:
    assert model_folders({}) == []
    assert model_folders({"CMDB_MODEL": "/a:/b"}) == [Path("/a"), Path("/b")]
    with pytest.raises(ModelError, match="does not exist"):
        load_model([tmp_path / "none"])
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ModelError, match="is not a folder"):
        load_model([file])


def test_the_shipped_model_is_one_to_start_with() -> None:
    model = load_model([])
    concrete = [t for t in model.record_types.values() if not t.abstract]
    items = model.record_types["ConfigurationItem"].concrete
    assert len(items) >= 70
    assert len(model.relationship_types) >= 25
    labels = [t.label for t in model.record_types.values()]
    labels += [t.label for t in model.relationship_types.values()]
    labels += [a.label for t in concrete for a in t.attributes.values()]
    labels += [s.label for m in model.state_machines.values() for s in m.states.values()]
    labels += [label for a in model.attributes.values() for label in a.values.values()]
    for label in labels:
        assert label.en
        assert any("\u4e00" <= c <= "\u9fff" for c in label.zh) or label.zh == label.en, label
    for name in (
        "Site", "Building", "Room", "Rack", "UPS", "PDU", "PowerFeed", "AirConditioner", "Server", "BladeServer",
        "StorageArray", "TapeLibrary", "Printer", "Switch", "Router", "Firewall", "LoadBalancer", "VLAN", "Subnet",
        "IPAddress", "Circuit", "DomainName", "Certificate", "VirtualMachine", "Container", "KubernetesNode",
        "VPC", "DatabaseInstance", "Application", "SMSGateway", "BusinessService", "Headquarters", "CountyCompany",
        "Person", "Supplier",
    ):  # fmt: skip
        assert name in model.record_types, name
    assert model.relationship_type("CONTAINS").acyclic
    assert model.relationship_type("RUNS_ON").impact is not None
