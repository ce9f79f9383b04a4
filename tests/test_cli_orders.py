"""Orders and transitions at the command line: what people type, what they are told, the exit codes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from defusedxml import ElementTree

from cli.errors import EXIT_CODES
from cmdb.store import create_store, open_store
from tests.importers.test_ledger import workbook
from tests.support.command import Command, Printed
from tests.support.observing import shipped_model
from tests.support.office import Office

Failing = Callable[..., Printed]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a small office, devices in stock and in use, and what depends on one of them."""
    path = tmp_path_factory.mktemp("office") / "cmdb.db"
    with create_store(f"sqlite:///{path}", shipped_model()) as store:
        office = Office.make(store)
        office.device("esx", asset_number="ZC-1")
        office.device("spare", asset_number="ZC-2")
        office.device("twin", asset_number="ZC-3")
        office.device("twin", asset_number="ZC-4", serial_number="SN-twin-2")
        office.device("host", state="in_use", asset_number="ZC-5")
        office.device("old", state="idle", asset_number="ZC-6", holds_data=False)
        office.device("gone", state="lost", asset_number="ZC-7")
        office.device("db", "VirtualMachine", "in_use", custodian=None)
        office.relate("db", "RUNS_ON", "host")
    return path


@pytest.fixture
def url(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    shutil.copy(template, tmp_path / "cmdb.db")
    url = f"sqlite:///{tmp_path}/cmdb.db"
    monkeypatch.setenv("CMDB_STORE", url)
    monkeypatch.setenv("CMDB_ACTOR", "ann")
    monkeypatch.delenv("CMDB_MODEL", raising=False)
    return url


@pytest.fixture
def cmdb(url: str, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


@pytest.fixture
def failing(cmdb: Command) -> Failing:
    return cmdb.failed


def code(name: str) -> int:
    return EXIT_CODES[name][0]


def drafted(cmdb: Command, *words: str) -> str:
    return str(json.loads(cmdb("order", "new", *words, "--json"))["number"])


def approved(cmdb: Command, *words: str) -> str:
    order = drafted(cmdb, *words)
    cmdb("order", "submit", order)
    cmdb("order", "approve", order, "--actor", "bob")
    return order


def told(text: str) -> str:
    """A table's text as one line, whatever its width."""
    return " ".join(text.replace("│", " ").split())


def test_an_order_goes_from_draft_to_completion(cmdb: Command, failing: Failing) -> None:
    order = drafted(
        cmdb, "commission", "ZC-1", "place=rack", "contract=care", "rack_position=3", "to_custodian=ann"
    )  # fmt: skip
    assert order.startswith("TY-")
    assert "submit" in cmdb("order", "list", "--mine")
    assert "in_approval (审批中)" in cmdb("order", "submit", order)
    assert json.loads(cmdb("order", "list", "--mine", "--json")) == []
    [mine] = json.loads(cmdb("order", "list", "commission", "--mine", "--actor", "bob", "--json"))
    assert (mine["attributes"]["number"], mine["asked"]) == (order, "approve")
    shown = told(cmdb("order", "show", order, "--actor", "bob"))
    for words in (
        "asset_manager of south: bob",
        "rack_position=3",
        "You may: approve or reject",
        "waits",
    ):
        assert words in shown
    cmdb("order", "approve", order, "--actor", "bob", "--comment", "同意")
    assert "execute (commission)" in cmdb("order", "show", order)
    done = json.loads(
        cmdb("order", "execute", order, "--serial", "esx=SN-esx", "--effective-on", "2026-03-01", "--json")
    )  # fmt: skip
    assert (done["step"], done["done"], done["refused"], done["refusals"]) == (
        "commission",
        1,
        0,
        [],
    )
    number, _, said = failing("order", "complete", order)
    assert number == code("unconfirmed")
    assert "--yes" in said
    assert "complete" in cmdb("order", "list", "--mine")
    assert "completed (已办结)" in cmdb("order", "complete", order, "--yes")
    shown = json.loads(cmdb("order", "show", order, "--json"))
    [device] = shown["devices"]["listed"]
    assert (device["lifecycle_state"], device["outcome"]) == ("in_use", "done")
    assert shown["stages"][0]["votes"][0]["comment"] == "同意"
    assert "0 are open" in cmdb("order", "list")


def test_a_refusal_says_who_would_go_down_and_who_may_override(
    cmdb: Command, failing: Failing
) -> None:
    order = approved(cmdb, "decommission", "host", "SN-host")
    number, out, _ = failing("order", "execute", order)
    assert number == code("refused")
    for words in (
        "no_live_dependents",
        "VirtualMachine db",
        "db would be down",
        "director, with a reason",
    ):
        assert words in told(out)
    number, out, _ = failing("order", "check", order, "--json")
    assert number == code("findings")
    [refusal] = json.loads(out)["refusals"]
    assert refusal["detail"]["impact"] == {"down": ["db"]}
    override = "no_live_dependents=moved tonight"
    number, out, _ = failing("order", "execute", order, "--override", override)
    assert "ann is no director there" in told(out)
    cmdb("order", "assign", order, "dora", "--reason", "she decides", "--actor", "bob")
    said = cmdb("order", "execute", order, "--override", override, "--actor", "dora")
    assert "done for 1, refused for 0, 1 with a guard overridden" in said
    assert "overridden: no_live_dependents" in told(cmdb("order", "show", order))


def test_a_draft_can_be_checked_before_it_is_submitted(cmdb: Command, failing: Failing) -> None:
    order = drafted(cmdb, "commission", "esx", "spare")
    number, out, _ = failing("order", "check", order)
    assert number == code("findings")
    assert "CONTAINED_IN" in told(out)
    assert "would go through for 0, refused for 2" in out
    assert (
        json.loads(cmdb("order", "show", order, "--json"))["attributes"]["lifecycle_state"]
        == "draft"
    )


def test_what_cannot_be_undone_is_asked_about(
    cmdb: Command, failing: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = approved(cmdb, "scrap", "old")
    number, _, said = failing("order", "execute", order, "--actor", "bob")
    assert number == code("unconfirmed")
    assert f"To scrap what 报废单 {order} concerns (1) cannot be undone" in said
    asked: list[str] = []

    class Terminal:
        def isatty(self) -> bool:
            return True

    def answer(question: str, *, err: bool) -> bool:
        asked.append(question)
        return len(asked) > 1

    monkeypatch.setattr("cli.confirming.sys.stdin", Terminal())
    monkeypatch.setattr("cli.confirming.typer.confirm", answer)
    assert "was not confirmed" in failing("order", "execute", order, "--actor", "bob")[2]
    assert "done for 1" in cmdb("order", "execute", order, "--actor", "bob")
    assert len(asked) == 2
    assert "old is scrapped" in cmdb("transition", "old", "--actor", "bob")


def test_proof_of_wiping_is_attached_by_the_orders_number(cmdb: Command, failing: Failing) -> None:
    order = approved(cmdb, "donation", "spare", "recipient=school")
    assert "in_approval" in cmdb("show", order)
    cmdb("order", "approve", order, "--actor", "dora")
    number, out, _ = failing("order", "execute", order, "--yes", "--actor", "bob")
    assert (number, "no proof of wiping" in told(out)) == (code("refused"), True)
    cmdb("create", "Evidence", "name=proof", "evidence_kind=wipe_certificate")
    for document in (order, "spare"):
        cmdb("relate", document, "DOCUMENTED_BY", "proof")
    assert "done for 1" in cmdb("order", "execute", order, "--yes", "--actor", "bob")
    assert f"{order} donate" in cmdb("history", "spare")


def test_a_record_goes_through_a_transition(cmdb: Command, failing: Failing) -> None:
    listed = told(cmdb("transition", "gone"))
    for words in ("write_off", "ann is no director there", "recover", "it needs reason"):
        assert words in listed
    ways = json.loads(cmdb("transition", "gone", "--json", "--actor", "bob"))
    assert {w["name"]: [r["code"] for r in w["refusals"]] for w in ways} == {
        "recover": ["required"],
        "write_off": ["role", "required"],
    }
    assert failing("transition", "gone", "write_off", "--reason", "stolen")[0] == code(
        "unconfirmed"
    )
    write_off = ("transition", "gone", "write_off", "--reason", "stolen", "--yes")
    assert failing(*write_off)[0] == code("not_allowed")
    assert "gone is scrapped" in cmdb(*write_off, "--actor", "dora")
    number, _, said = failing("transition", "host", "decommission")
    assert number == code("not_allowed")
    assert "DecommissionOrder (`cmdb order new`)" not in said
    assert "`cmdb order new` drafts one" in said
    assert failing("transition", "host", "--correct", "idle", "--reason", "x")[0] == code(
        "not_allowed"
    )
    assert failing("transition", "host", "--correct", "idle", "--actor", "pat")[0] == code(
        "refused"
    )
    said = cmdb(
        "transition", "host", "--correct", "idle", "--reason", "never ran", "--actor", "pat"
    )
    assert "host is idle" in said
    assert failing("transition", "host", "scrap", "reuse")[0] == code("invalid_query")
    assert failing("transition", "host", "fly")[0] == code("refused")
    assert (
        json.loads(cmdb("transition", "db", "suspend", "--json"))["lifecycle_state"] == "suspended"
    )
    order = drafted(cmdb, "repair", "host")
    assert "submit" in cmdb("transition", order)


def test_drafts_are_changed_rejected_reopened_and_withdrawn(
    cmdb: Command, failing: Failing
) -> None:
    order = drafted(cmdb, "transfer", "esx", "to_organisation=north")
    assert "Added 2 devices" in cmdb("order", "add", order, "spare", "ZC-5", "to_custodian=nick")
    assert "Took 1 device" in cmdb("order", "remove", order, "SN-esx")
    assert failing("order", "add", order)[0] == code("invalid_query")
    assert failing("order", "add", order, "esx", "--actor", "bob")[0] == code("not_allowed")
    cmdb("order", "submit", order)
    cmdb("order", "reject", order, "--comment", "why?", "--actor", "bob")
    shown = told(cmdb("order", "show", order))
    assert "bob reject: why?" in shown
    assert "You may: reopen" in shown
    cmdb("order", "reopen", order)
    cmdb("order", "comment", order, "because it moves")
    assert "ann: because it moves" in cmdb("order", "show", order)
    number, _, said = failing("order", "withdraw", order)
    assert (number, "cannot be undone" in said) == (code("unconfirmed"), True)
    assert "withdrawn" in cmdb("order", "withdraw", order, "--yes")


def test_an_order_ends_with_what_is_done(cmdb: Command, failing: Failing) -> None:
    order = drafted(cmdb, "repair", "esx", "spare", "host")
    cmdb("order", "submit", order)
    for step in ("send_to_repair", "finish_repair"):
        assert "done for 1" in cmdb("order", "execute", order, "host", "--step", step)
    assert failing("order", "execute", order, "host")[0] == code("refused")
    number, _, said = failing("order", "complete", order, "--yes")
    assert (number, "2 of its devices are not" in said) == (code("refused"), True)
    assert failing("order", "drop", order, "esx")[0] == code("refused")
    assert "1 dropped" in cmdb("order", "drop", order, "esx", "--reason", "not broken")
    assert failing("order", "complete-partly", order, "--yes")[0] == code("refused")
    said = cmdb("order", "complete-partly", order, "--yes", "--reason", "parts are missing")
    assert "partly_completed" in said


def test_both_sides_of_a_handover_have_it_on_their_desk(cmdb: Command) -> None:
    order = approved(cmdb, "transfer", "--find", "asset_number=ZC-5", "to_organisation=north")
    assert "hand_over" in cmdb("order", "list", "--mine", "--actor", "bob")
    assert "0 wait for you" in cmdb("order", "list", "--mine", "--actor", "nick")
    assert "hand_over done for 1" in cmdb("order", "execute", order, "--actor", "bob")
    assert "accept" in cmdb("order", "list", "--mine", "--actor", "nick")
    cmdb("order", "execute", order, "to_custodian=nick", "--actor", "nick")
    record = json.loads(cmdb("show", "host", "--json"))
    nick = json.loads(cmdb("show", "nick", "--json"))["id"]
    assert record["attributes"]["custodian"] == nick


@pytest.mark.parametrize(
    ("words", "name", "what"),
    [
        (["order", "new", "commission", "nothing"], "not_found", "There is no device nothing"),
        (["order", "new", "commission", "twin"], "not_found", "Several devices go by twin: Server twin"),
        (["order", "new", "walk", "esx"], "unknown_name", "commission, decommission, transfer"),
        (["order", "new", "commission", "esx", "colour=red"], "invalid_query", "No step takes the input 'colour'"),
        (["order", "new", "commission", "esx", "today=2020-01-01"], "invalid_query", "today"),
        (["order", "new", "commission", "esx", "escalation=5"], "invalid_request", "Nobody says escalation"),
        (["order", "new", "commission", "esx", "rack_position=top"], "invalid_query", "rack_position"),
        (["order", "new", "commission", "esx", "place=nowhere"], "not_found", "nowhere"),
        (["order", "new", "commission", "esx", "return_on=soon"], "invalid_change", "return_on"),
        (["order", "new", "commission", "--where", "{"], "invalid_query", "--where is not JSON"),
        (["order", "new", "commission", "esx", "--actor", "ghost"], "not_allowed", "Nobody is known as 'ghost'"),
        (["order", "show", "TY-1999-000001"], "not_found", "There is no order"),
        (["order", "submit", ""], "not_found", "There is no order"),
        (["order", "list", "walk"], "unknown_name", "walk is no type of order"),
        (["order", "list", "--mine", "--actor", "ghost"], "not_allowed", "ghost"),
        (["transition", "nothing"], "not_found", "nothing"),
        (["transition", "esx", "--actor", "ghost"], "not_allowed", "ghost"),
        (["schema", "picture", "walk"], "unknown_name", "walk"),
        (["schema", "picture", "order_lifecycle", "--format", "png"], "invalid_query", "png"),
        (["order"], "usage", ""),
    ],
)  # fmt: skip
def test_odd_words_are_refused_with_a_remedy(
    failing: Failing, words: list[str], name: str, what: str
) -> None:
    number, _, said = failing(*words)
    assert number == code(name)
    assert what in said


def test_what_an_order_cannot_do_yet_is_refused(cmdb: Command, failing: Failing) -> None:
    empty = drafted(cmdb, "commission")
    number, _, said = failing("order", "submit", empty)
    assert (number, "it concerns nothing yet" in said) == (code("refused"), True)
    order = drafted(cmdb, "commission", "host")
    number, _, said = failing("order", "execute", order)
    assert (number, "it is draft, not approved" in said) == (code("refused"), True)
    assert failing("order", "approve", order, "--actor", "bob")[0] == code("refused")
    number, _, said = failing("order", "submit", order)
    assert "host is in_use, and commission begins at in_stock, planned" in said
    assert failing("order", "execute", order, "esx")[0] == code("not_found")
    assert failing("order", "execute", order, "--override", "x")[0] == code("invalid_query")
    assert failing("order", "execute", order, "--effective-on", "soon")[0] == code("invalid_query")
    cmdb("order", "add", order, "old", "gone")
    number, _, said = failing("order", "submit", order)
    assert (number, said.count("items_fit")) == (code("refused"), 3)
    assert "and 2 more" in said
    assert "What you may do is not known" in cmdb("order", "show", order, "--actor", "ghost")


LIST = "资产编号,机柜,U位,责任人,序列号\nZC-1,rack,U3-U4,ann,SN-esx\n\nZC-2,rack,5,ann,SN-other\n"


def test_devices_come_from_a_spreadsheet(cmdb: Command, failing: Failing, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(LIST.encode("gb18030"))
    order = approved(cmdb, "commission", "--from", str(path), "contract=care")
    listed = json.loads(cmdb("order", "show", order, "--json"))["devices"]["listed"]
    assert {d["name"]: d["details"]["rack_position"] for d in listed} == {"esx": 3, "spare": 5}
    number, out, _ = failing("order", "execute", order)
    assert number == code("refused")
    assert "the serial number on the device is SN-other, on record SN-spare" in told(out)
    assert "done for 1, refused for 1" in out


def test_devices_come_from_a_workbook_and_from_plain_numbers(
    cmdb: Command, url: str, tmp_path: Path
) -> None:
    def row(number: int, *cells: str) -> str:
        inside = "".join(f'<c t="inlineStr"><is><t>{cell}</t></is></c>' for cell in cells)
        return f'<row r="{number}">{inside}</row>'

    book = tmp_path / "list.xlsx"
    book.write_bytes(
        workbook({"S": row(1, "Serial number", "rack_position") + row(2, "SN-esx", "7")})
    )
    plain = tmp_path / "list.txt"
    plain.write_text("ZC-2\nSN-twin\n\n", encoding="utf-8")
    order = drafted(cmdb, "stock-in", "--from", str(book))
    assert "Added 2 devices" in cmdb("order", "add", order, "--from", str(plain))
    listed = json.loads(cmdb("order", "show", order, "--json"))["devices"]["listed"]
    details: dict[str, Any] = {d["name"]: d["details"] for d in listed}
    assert details == {"esx": {"rack_position": 7}, "spare": {}, "twin": {}}


@pytest.mark.parametrize(
    ("text", "name", "what"),
    [
        ("资产编号,U位\nZC-1,3\n,4\n", "source_invalid", "has no number at line 3"),
        ("资产编号,U位\nZC-1,3\nZC-99,4\n", "not_found", "There is no device ZC-99"),
        ("资产编号,U位\nZC-1,3\nZC-1,4\n", "invalid_query", "names esx again at line 3"),
        ("资产编号,U位\nZC-1,high\n", "invalid_query", "rack_position"),
        ("资产编号,机柜\nZC-1,nowhere\n", "not_found", "nowhere"),
        ("资产编号,foo_bar\nZC-1,x\n", "invalid_query", "No step takes the input 'foo_bar'"),
        ("rack_position,place\n3,rack\n", "source_invalid", "has no column of numbers"),
        ("x,y\nZC-1,3\n", "source_invalid", "has no header that is understood"),
        ("资产编号,U位\n", "source_invalid", "names no device"),
        ("", "source_invalid", "is empty"),
        ("\0\0\1\2", "source_invalid", "is not text"),
    ],
)
def test_a_spreadsheet_with_wrong_rows_says_which(
    failing: Failing, tmp_path: Path, text: str, name: str, what: str
) -> None:
    path = tmp_path / "list.csv"
    path.write_text(text, encoding="utf-8")
    number, _, said = failing("order", "new", "commission", "--from", str(path))
    assert (number, what in said) == (code(name), True), said


def test_many_devices_are_found_in_few_statements(cmdb: Command, url: str, tmp_path: Path) -> None:
    with open_store(url) as store:
        office = Office(store)
        south = store.record(json.loads(cmdb("show", "south", "--json"))["id"])
        office.ids = {"south": south.id, "ann": json.loads(cmdb("show", "ann", "--json"))["id"]}
        for number in range(30):
            office.device(f"bulk-{number}", asset_number=f"B-{number}")
    path = tmp_path / "many.txt"
    path.write_text("".join(f"B-{n}\n" for n in range(30)), encoding="utf-8")
    order = drafted(cmdb, "loan", "--from", str(path), "recipient=school", "return_on=2030-01-01")
    shown = cmdb("order", "show", order, "--first", "5")
    assert "5 of 30 devices" in shown
    again = drafted(cmdb, "loan", "--find", "name^=bulk-", "--type", "Server")
    assert json.loads(cmdb("order", "show", again, "--json"))["devices"]["total"] == 30


def test_the_model_says_what_processes_do(cmdb: Command, tmp_path: Path) -> None:
    shown = told(cmdb("schema", "show", "ScrapOrder"))
    for words in (
        "director of the CityCompany",
        "worth 50,000 or more",
        "data_wiped",
        "leave_service",
    ):
        assert words in shown
    shown = told(cmdb("schema", "show", "order_lifecycle"))
    for words in (
        "votes lead to grant or refuse",
        "after P5D escalate",
        "has_approvers",
        "drop_items",
    ):
        assert words in shown
    assert "hardware_lifecycle: scrap" in told(cmdb("schema", "show", "data_wiped"))
    assert "TransferOrder: hand_over" in told(cmdb("schema", "show", "send"))
    assert "to commission it needs: CONTAINED_IN, serial_number" in told(
        cmdb("schema", "show", "Server")
    )
    drawn = ElementTree.fromstring(cmdb("schema", "picture", "Server"))
    texts = {element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")}
    assert {"Life of a device 设备生命周期", "在运", "退运 Decommission"} <= texts
    assert "draft --> in_approval: submit 提交" in cmdb(
        "schema", "picture", "order_lifecycle", "--format", "mermaid"
    )
    cmdb("schema", "picture", "order_lifecycle", "--out", str(tmp_path / "a.svg"))
    assert (tmp_path / "a.svg").read_text(encoding="utf-8").startswith("<svg")
