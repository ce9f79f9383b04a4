"""State machines, guards, effects and procedures in model files: each mistake with file, line and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from schema.loading import load_model
from tests.schema.test_loading import BASE, mistakes

PROCESS_BASE = (
    BASE
    + """\
  Company:
    parent: Record
    label: {en: Company, zh: 公司}
  Order:
    parent: Record
    label: {en: Order, zh: 单}
    state_machine: flow
    attributes:
      company: {kind: reference, to: Company, label: {en: Company, zh: 公司}}
  Machine:
    parent: Record
    label: {en: Machine, zh: 机器}
    state_machine: life
relationship_types:
  HAS_ROLE:
    label: {en: has a role in, zh: 任职}
    inverse: GIVES_ROLE_TO
    inverse_label: {en: gives a role to, zh: 任职人员}
    source: [Thing]
    target: [Company]
    attributes:
      roles: {kind: enum, many: true, label: {en: Roles, zh: 角色}, values: {boss: {en: Boss, zh: 主管}}}
state_machines:
  life:
    label: {en: Life, zh: 生命}
    initial: new
    states:
      new: {label: {en: New, zh: 新}}
      old: {label: {en: Old, zh: 旧}, terminal: true}
    transitions:
      age: {label: {en: Age, zh: 老化}, source: [new], target: old, by: [order], guards: [sound], effects: [mark]}
  flow:
    label: {en: Flow, zh: 流程}
    initial: draft
    states:
      draft: {label: {en: Draft, zh: 草稿}}
      voting: {label: {en: Voting, zh: 审批}, approval: {granted: grant, refused: refuse}}
      granted: {label: {en: Granted, zh: 通过}, terminal: true}
      refused: {label: {en: Refused, zh: 驳回}, terminal: true}
    transitions:
      submit: {label: {en: Submit, zh: 提交}, source: [draft], target: voting, by: [boss]}
      grant: {label: {en: Grant, zh: 通过}, source: [voting], target: granted, by: [system]}
      refuse: {label: {en: Refuse, zh: 驳回}, source: [voting], target: refused, by: [system]}
guards:
  sound: {label: {en: It is sound., zh: 完好。}, demands: {name: {null: false}}, override: boss}
effects:
  mark: {label: {en: It is marked., zh: 标记。}, sets: {name: new_name}}
"""
)


def state(text: str) -> str:
    """The flow, with something more said of a state that votes lead from."""
    return (
        "state_machines:\n  flow:\n    extend: true\n    states:\n"
        f"      voting:\n        label: {{en: Voting, zh: 审批}}\n        {text}\n"
    )


def way(text: str) -> str:
    """The life, with another transition."""
    label = "label: {en: Break, zh: 坏}"
    return (
        "state_machines:\n  life:\n    extend: true\n    transitions:\n"
        f"      snap: {{{label}, source: [new], target: old, {text}}}\n"
    )


def procedure(text: str) -> str:
    return (
        "record_types:\n  Order:\n    extend: true\n    procedure:\n      prefix: OR\n"
        f"      concerns: [Machine]\n      {text}\n"
    )


LABEL = "label: {en: L, zh: 标}"


@pytest.mark.parametrize(
    ("more", "where", "what"),
    [
        (way("guards: [brave]"), "b.yaml:5", "snap of life names the guard brave, which is not declared"),
        (way("effects: [burst]"), "b.yaml:5", "snap of life names the effect burst"),
        (way("by: [king]"), "b.yaml:5", "king is no role"),
        (way("requires: [LIES_IN]"), "b.yaml:5", "snap of life names the relationship LIES_IN"),
        (way("requires: [nmae]"), "b.yaml:5", "snap of life names the attribute or input nmae"),
        (way("requires: [Odd]"), "b.yaml:5", "requires"),
        (state("timers: {slow: {" + LABEL + ", after: P1D, transition: explode}}"), "b.yaml:", "voting of flow names explode, which is no transition that leaves it"),
        (state("timers: {slow: {" + LABEL + ", after: P1D, transition: submit}}"), "b.yaml:", "voting of flow names submit"),
        (state("timers: {slow: {" + LABEL + ", effects: [mark]}}"), "b.yaml:", "the timer slow needs one of after and attribute"),
        (state("timers: {slow: {" + LABEL + ", after: P1D, attribute: name}}"), "b.yaml:", "the timer slow needs one of after and attribute"),
        (state("timers: {slow: {" + LABEL + ", after: P1D, effects: [burst]}}"), "b.yaml:", "the timer slow names the effect burst"),
        (state("timers: {slow: {" + LABEL + ", attribute: nothing}}"), "b.yaml:", "the timer slow names the attribute nothing"),
        (state("timers: {slow: {" + LABEL + ", after: a week}}"), "b.yaml:", "after"),
        (state("timers: {slow: {" + LABEL + ", after: P1D, effects: [mark]}}"), "b.yaml:", "Order has no fired_timers to note that it fired"),
        (state("approval: {granted: submit, refused: refuse}"), "b.yaml:", "voting of flow names submit, which is no transition that leaves it"),
        (state("approval: {granted: grant, refused: nothing}"), "b.yaml:", "voting of flow names nothing"),
        (state("approval: {granted: grant}"), "b.yaml:", "refused"),
        (state("entry: [burst]"), "b.yaml:", "voting of flow names the effect burst"),
        ("state_machines:\n  life: {extend: true, effects: [burst]}\n", "b.yaml:2", "life names the effect burst"),
        (state("exit: [burst]"), "b.yaml:", "voting of flow names the effect burst"),
        ("guards:\n  both: {" + LABEL + ", forbids: {name: {eq: a}}, demands: {name: {eq: b}}}\n", "b.yaml:2", "both both forbids and demands"),
        ("guards:\n  odd: {" + LABEL + ", types: [Nothing], demands: {}}\n", "b.yaml:2", "the guard odd names the record type Nothing"),
        ("guards:\n  odd: {" + LABEL + ", demands: {}, override: king}\n", "b.yaml:2", "king is no role"),
        ("guards:\n  odd: {demands: {}}\n", "b.yaml:2", "label"),
        ("effects:\n  odd: {" + LABEL + ", sets: {nothing: new_name}}\n", "b.yaml:2", "the effect odd names the attribute nothing"),
        ("effects:\n  odd: {" + LABEL + ", relates: {NOWHERE: place}}\n", "b.yaml:2", "the effect odd names the relationship NOWHERE"),
        (procedure("steps: {go: {" + LABEL + ", transition: fly}}"), "b.yaml:", "go of Order names the transition fly"),
        (procedure("steps: {go: {" + LABEL + ", guards: [brave]}}"), "b.yaml:", "go of Order names the guard brave"),
        (procedure("steps: {go: {" + LABEL + ", by: [king]}}"), "b.yaml:", "king is no role"),
        (procedure("steps: {go: {" + LABEL + ", of: nowhere}}"), "b.yaml:", "go of Order names the attribute nowhere"),
        (procedure("approval: {first: {" + LABEL + ", role: king, of: company}}"), "b.yaml:", "king is no role"),
        (procedure("approval: {first: {" + LABEL + ", role: boss, of: company, at: Castle}}"), "b.yaml:", "first of Order names the record type Castle"),
        (procedure("approval: {first: {" + LABEL + ", role: boss}}"), "b.yaml:", "first of Order names the attribute organisation"),
        (procedure("").replace("Machine", "Castle"), "b.yaml:", "Order names the record type Castle"),
        (procedure("").replace("OR", "order"), "b.yaml:", "prefix"),
        ("record_types:\n  Machine: {extend: true, requires: {fly: [name]}}\n", "b.yaml:2", "Machine names the transition fly"),
        ("record_types:\n  Machine: {extend: true, requires: {age: [LIES_IN]}}\n", "b.yaml:2", "Machine names the relationship LIES_IN"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_process_names_file_line_and_remedy(
    tmp_path: Path, more: str, where: str, what: str
) -> None:
    found = mistakes(tmp_path, more, PROCESS_BASE)
    assert any(m.startswith(where) and what in m for m in found), found


@pytest.mark.parametrize(
    "more",
    [
        "after: P1D, transition: refuse}}",  # leaves the state
        "attribute: born, effects: [mark]}}",  # no Order has that attribute
    ],
)
def test_a_timer_that_cannot_fire_for_ever_needs_no_note(tmp_path: Path, more: str) -> None:
    born = "    attributes:\n      born: {kind: date, label: {en: Born, zh: 出生}}\n"
    company = "    label: {en: Company, zh: 公司}\n  Order:"
    base = PROCESS_BASE.replace(company, company.replace("  Order:", f"{born}  Order:"))
    (tmp_path / "a.yaml").write_text(base, encoding="utf-8")
    timer = state("timers: {slow: {" + LABEL + ", " + more)
    (tmp_path / "b.yaml").write_text(timer, encoding="utf-8")
    model = load_model([tmp_path], shipped=False)
    assert [*model.state_machines["flow"].states["voting"].timers] == ["slow"]


def test_effects_of_a_machine_are_those_of_every_transition(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(PROCESS_BASE, encoding="utf-8")
    more = "state_machines:\n  life: {extend: true, effects: [mark], transitions: {rest: {"
    more += LABEL + ", source: [new], target: old}}}\n"
    (tmp_path / "b.yaml").write_text(more, encoding="utf-8")
    ways = load_model([tmp_path], shipped=False).state_machines["life"].transitions
    assert {name: way.effects for name, way in ways.items()} == {
        "age": ("mark",),
        "rest": ("mark",),
    }
    assert ways["rest"].governed


def test_the_base_of_these_mistakes_is_sound(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(PROCESS_BASE, encoding="utf-8")
    (tmp_path / "b.yaml").write_text(
        procedure(
            "approval: {first: {" + LABEL + ", role: boss, of: company}}\n"
            "      steps: {go: {" + LABEL + ", of: company, by: [boss], transition: age}}"
        ),
        encoding="utf-8",
    )
    model = load_model([tmp_path], shipped=False)
    order = model.record_types["Order"].procedure
    assert order is not None
    assert order.steps["go"].transition == "age"
    assert model.state_machines["life"].transitions["age"].governed
    assert model.orders_for(model.record_types["Machine"], "age") == ["Order"]
