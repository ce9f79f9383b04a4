"""The chain of revisions: what somebody changes past the product is found, and named."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from cmdb.audit import Audit, Head, read_head
from cmdb.change_sets import Relate, Unrelate, Update
from cmdb.errors import QueryError
from cmdb.integrity import check
from cmdb.store import GraphStore, open_store
from cmdb.store.base import Finding
from cmdb.store.chain import lines_of, seal
from tests.support.building import add, commit
from tests.support.by_hand import ByHand

FOUND_BY_AUDIT = (
    "altered_", "added_", "removed_", "missing_revision", "unchained_revision", "other_chain",
)  # fmt: skip


class Lived(NamedTuple):
    """A store with a device (revisions 2, 5), an app (3), a relationship between them (4, 6; closed with
    7) and a box (8)."""

    store: GraphStore
    device: str
    app: str
    box: str


@pytest.fixture
def lived(store: GraphStore) -> Lived:
    device = add(store, "Device", "d", size=1, facts={"b": 1, "a": [1.5, None]}, price="CNY 1.50")
    app = add(store, "App", "a", note="简体")
    commit(store, Relate(app, "RUNS_ON", device))
    commit(store, Update(device, {"size": 2, "dates": ["2026-01-02"], "weight": 2}))
    commit(store, Relate(app, "RUNS_ON", device, {"port": 81, "since": "2026-02-03"}))
    commit(store, Unrelate(app, "RUNS_ON", device))
    return Lived(store, device, app, add(store, "Box", "b"))


def audited(store: GraphStore, expected: Head | None = None) -> list[Finding]:
    """What only the audit finds."""
    findings = check(store, audit=Audit(store, expected))
    return [finding for finding in findings if finding.code.startswith(FOUND_BY_AUDIT)]


def head(store: GraphStore) -> Head:
    last = store.last_revision()
    assert last.digest is not None
    return Head(last.number, last.digest)


def test_a_store_left_alone_agrees(lived: Lived) -> None:
    audit = Audit(lived.store, head(lived.store))
    assert list(check(lived.store, audit=audit)) == []
    assert (audit.begins, audit.head) == (1, head(lived.store))
    assert read_head(str(audit.head)) == audit.head
    told = [commit.revision.digest for commit in lived.store.feed()]
    assert len(set(told)) == 8
    assert told[7] == lived.store.history(lived.box)[0].revision.digest


DEEDS = {
    "a live record edited": (
        "UPDATE records SET attributes = replace(attributes, '\"size\":2', '\"size\":3')",
        "MATCH (n:Device) SET n.size = 3",
        [("altered_record", "device", "As it is now, it is not what revision 5")],
    ),
    "an image edited": (
        "UPDATE record_images SET attributes = replace(attributes, '\"size\":1', '\"size\":3')",
        "MATCH (i:_RecordImage) SET i.size = 3",
        [("altered_record", "device", "An image of it is not what revision 2")],
    ),
    "an image removed": (
        "DELETE FROM record_images",
        "MATCH (i:_RecordImage) DELETE i",
        [("removed_elements", "2", "1 of what"), ("altered_record", "device", "What it was before")],
    ),
    "an image added": (
        "INSERT INTO record_images SELECT node, 6, 8, attributes, type FROM records WHERE type = 'Box'",
        "MATCH (n:Box) CREATE (i:_RecordImage) SET i = properties(n), i.revision = 6, i.until = 8, i.type = 'Box'",
        [
            ("altered_record", "box", "An image of it is not what revision 6"),
            ("added_elements", "6", "1"),
            ("altered_record", "box", "What it was before revision 8"),
        ],
    ),
    "an image of a relationship edited": (
        "UPDATE relationship_images SET attributes = '{\"port\":443}' WHERE revision = 4",
        "MATCH (i:_RelationshipImage {revision: 4}) SET i.port = 443",
        [("altered_relationship", "link", "An image of it is not what revision 4")],
    ),
    "a relationship closed later": (
        "UPDATE relationship_images SET until = 8 WHERE revision = 6",
        "MATCH (i:_RelationshipImage {revision: 6}) SET i.until = 8",
        [("removed_elements", "7", "1 of what")],
    ),
    "a header edited": (
        "UPDATE revisions SET actor = 'nobody' WHERE number = 3",
        "MATCH (v:_Revision {number: 3}) SET v.actor = 'nobody'",
        [("altered_header", "3", "header")],
    ),
    "a model edited": (
        "UPDATE models SET document = replace(document, 'Box', 'BOX')",
        "MATCH (m:_Model) SET m.document = replace(m.document, 'Box', 'BOX')",
        [("altered_header", "1", "model")],
    ),
    "a revision removed": (
        "DELETE FROM revisions WHERE number = 4",
        "MATCH (v:_Revision {number: 4}) DELETE v",
        [("missing_revision", "5", "follows revision 3")],
    ),
    "a digest removed": (
        "UPDATE revisions SET digest = NULL WHERE number = 3",
        "MATCH (v:_Revision {number: 3}) REMOVE v.digest",
        [("unchained_revision", "3", "no digest"), ("altered_chain", "4", "the one before")],
    ),
    "a digest edited": (
        "UPDATE revisions SET digest = 'x' WHERE number = 8",
        "MATCH (v:_Revision {number: 8}) SET v.digest = 'x'",
        [("altered_chain", "8", "another")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("deed", DEEDS)
def test_what_was_changed_past_the_product_is_named(
    deed: str, lived: Lived, by_hand: ByHand
) -> None:
    sql, cypher, expected = DEEDS[deed]
    by_hand.run(sql if by_hand.kind == "sqlite" else cypher)
    subjects = {**lived._asdict(), "link": f"{lived.app} RUNS_ON {lived.device}"}
    found = audited(lived.store)
    for (code, subject, says), finding in zip(expected, found, strict=False):
        assert (finding.code, finding.subject) == (code, subjects.get(subject, subject)), found
        assert says in finding.message
    assert len(found) >= len(expected)


def test_a_record_added_past_the_product_is_noticed(lived: Lived, by_hand: ByHand) -> None:
    by_hand.run(
        "INSERT INTO records (node, id, type, revision, attributes) SELECT 99, replace(id, '7', '8'), type, 8, attributes FROM records WHERE type = 'Box'"
        if by_hand.kind == "sqlite"
        else "MATCH (n:Box) CREATE (:Record:Item:Box {id: replace(n.id, '7', '8'), name: 'c', revision: 8})"
    )
    assert list(check(lived.store, audit=Audit(lived.store)))


def test_a_chain_made_anew_shows_against_a_head_noted_earlier(
    lived: Lived, by_hand: ByHand
) -> None:
    store = lived.store
    noted = head(store)
    by_hand.run(
        "UPDATE revisions SET reason = 'as agreed' WHERE number = 3"
        if by_hand.kind == "sqlite"
        else "MATCH (v:_Revision {number: 3}) SET v.reason = 'as agreed'"
    )
    previous = None
    for revision, changes in list(store.feed()):
        lines = lines_of(changes, store.model.to_json)
        previous, checks = seal(previous, revision, changes.model, lines)
        by_hand.run(
            "UPDATE revisions SET digest = :digest, checks = :checks WHERE number = :number"
            if by_hand.kind == "sqlite"
            else "MATCH (v:_Revision {number: $number}) SET v.digest = $digest, v.checks = $checks",
            {"digest": previous, "checks": checks, "number": revision.number},
        )
    assert audited(store) == []
    assert [finding.code for finding in audited(store, noted)] == ["other_chain"]
    assert [finding.code for finding in audited(store, Head(99, noted.digest))] == ["other_chain"]


def test_a_store_of_an_older_release_begins_its_chain_with_the_next_revision(
    lived: Lived, url: str, by_hand: ByHand
) -> None:
    for statement in (
        (
            "ALTER TABLE revisions DROP COLUMN digest",
            "ALTER TABLE revisions DROP COLUMN checks",
            "DROP TABLE journals",
            "DROP TABLE journal_entries",
            "DROP TABLE owner_rules",
            "DROP INDEX records_owner",
            "ALTER TABLE records DROP COLUMN owner",
            "PRAGMA user_version = 2",
        )
        if by_hand.kind == "sqlite"
        else (
            "MATCH (v:_Revision) REMOVE v.digest, v.checks",
            "DROP CONSTRAINT cmdb_entry",
            "MATCH (n:Record) REMOVE n._owner, n._number",
            "MATCH (s:_Store {key: 'store'}) REMOVE s.owners, s.numbered",
            "MATCH (s:_Store {key: 'store'}) SET s.format = 2",
        )
    ):
        by_hand.run(statement)
    with open_store(url) as store:
        audit = Audit(store)
        assert list(check(store, audit=audit)) == []
        assert (audit.begins, audit.head) == (None, None)
        commit(store, Update(lived.device, {"size": 9}))
        audit = Audit(store, head(store))
        assert list(check(store, audit=audit)) == []
        assert (audit.begins, audit.head) == (9, head(store))
        assert store.append("j", [b"x"]) == 1
    with open_store(url) as again:
        assert again.last_revision().number == 9


@pytest.mark.parametrize(
    "text", ["", "7", "7:abc", f"x:{'0' * 64}", f"7:{'g' * 64}", f"-1:{'0' * 64}"]
)
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match="NUMBER:DIGEST"):
        read_head(text)
