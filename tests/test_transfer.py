"""Copying, dumping and restoring: everything arrives, history included, and damage is noticed."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from cmdb import transfer
from cmdb.audit import Audit, Head
from cmdb.change_set_files import read_change_set
from cmdb.change_sets import ChangeSet, Create, Operation, Relate, Unrelate, Update
from cmdb.errors import ChainBrokenError, CmdbError, DumpError, StoreExistsError
from cmdb.ids import new_id
from cmdb.integrity import check
from cmdb.queries import Query
from cmdb.store import GraphStore, create_store, open_store
from cmdb.store.opening import create_empty_store
from schema.loading import load_model
from tests.support.building import commit, create
from tests.support.by_hand import SqliteByHand
from tests.support.observing import shipped_model

ESTATE = sorted((Path(__file__).parent.parent / "examples" / "estate").glob("*.yaml"))
STORES = ("sqlite", pytest.param("neo4j", marks=pytest.mark.neo4j))

Named = Callable[[str], str]


@pytest.fixture
def url(tmp_path: Path, request: pytest.FixtureRequest) -> Named:
    """URL of a store of a kind; each kind has one."""

    def named(kind: str) -> str:
        if kind == "neo4j":
            return str(request.getfixturevalue("neo4j_store_url"))
        return f"sqlite:///{tmp_path}/{kind}.db"

    return named


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[GraphStore]:
    """The example estate with some history behind it, in an embedded store."""
    with create_store(f"sqlite:///{tmp_path}/estate.db", shipped_model()) as store:
        grow(store)
        yield store


def grow(store: GraphStore) -> None:
    """Creates, changes of every kind of value, relationships made, altered, closed and made again."""
    for file in ESTATE:
        store.commit(read_change_set(file, store, "tester"))
    host = store.find(Query("Server", {"name": "YJ-ESX-01"})).records[0].id
    rack = store.find(Query("Rack", {"name": "A301-R03"})).records[0].id
    old = store.neighbours([host], ["CONTAINS"], "in")[0].record.id
    certificate = new_id()
    steps: list[list[Operation]] = [
        [Unrelate(old, "CONTAINS", host), Relate(rack, "CONTAINS", host, {"rack_position": 20})],
        [Update(host, {"last_boot": "2026-01-02T03:04:05.000006+08:00", "tags": ["甲", "b"], "custodian": None})],
        [Unrelate(rack, "CONTAINS", host), Relate(old, "CONTAINS", host)],
        [Create("Certificate", {"name": "证书 \u2028 \U0001f512", "valid_until": "2027-01-01"}, certificate)],
        [Relate(host, "SECURED_BY", certificate), Update(certificate, {"valid_until": None})],
        [Relate(old, "CONTAINS", host, {"rack_position": 9})],
    ]  # fmt: skip
    for operations in steps:
        store.commit(ChangeSet(operations, "tester", reason="history"))


@pytest.mark.parametrize("kind", STORES)
def test_a_copy_there_and_back_holds_the_same(kind: str, estate: GraphStore, url: Named) -> None:
    with create_empty_store(url(kind)) as there, create_empty_store(url("back")) as back:
        out = transfer.copy(estate, there)
        home = transfer.copy(there, back)
        assert out.sha256 == home.sha256 == transfer.digest(estate)
        assert out.revisions == estate.last_revision().number
        assert there.last_revision() == back.last_revision() == estate.last_revision()
        for copied in (there, back):
            assert list(check(copied, audit=Audit(copied, head_of(estate)))) == []
        assert {r.id: r for r in there.scan_records(3)} == {r.id: r for r in estate.scan_records(3)}
        found = there.search("营销", Query(total=True))
        assert found.total == estate.search("营销", Query(total=True)).total == 2


@pytest.mark.parametrize("kind", STORES)
def test_a_copy_goes_on_where_it_stopped_and_can_be_brought_up(
    kind: str, estate: GraphStore, url: Named, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "BATCH_SIZE", 50)
    with create_empty_store(url(kind)) as target:

        class StoppedError(Exception):
            pass

        def stop(number: int) -> None:
            if number >= 3:
                raise StoppedError

        with pytest.raises(StoppedError):
            transfer.copy(estate, target, stop)
        reached = target.last_revision().number
        assert 3 <= reached < estate.last_revision().number
        rest = transfer.copy(estate, target)
        assert rest.revisions == estate.last_revision().number - reached
        estate.commit(ChangeSet([Create("Site", {"name": "new"}, new_id())], "tester"))
        assert transfer.copy(estate, target).revisions == 1
        assert transfer.copy(estate, target).revisions == 0


@pytest.mark.parametrize("kind", STORES)
def test_a_dump_restores_to_the_same(
    kind: str, estate: GraphStore, url: Named, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "BATCH_SIZE", 60)
    written = transfer.dump(estate, tmp_path / "estate.jsonl.gz")
    with create_empty_store(url(kind)) as target:
        restored = transfer.restore(tmp_path / "estate.jsonl.gz", target)
        assert restored == written
        transfer.dump(target, tmp_path / "again.jsonl")
        text = gzip.decompress((tmp_path / "estate.jsonl.gz").read_bytes())
        assert (tmp_path / "again.jsonl").read_bytes() == text
        assert list(check(target)) == []
        host = target.find(Query("Server", {"name": "YJ-ESX-01"})).records[0].id
        assert target.history(host) == estate.history(host)


def head_of(store: GraphStore) -> Head:
    last = store.last_revision()
    assert last.digest is not None
    return Head(last.number, last.digest)


def test_a_digest_that_does_not_agree_is_not_moved(
    estate: GraphStore, url: Named, tmp_path: Path
) -> None:
    path = tmp_path / "estate.jsonl"
    SqliteByHand(tmp_path / "estate.db").run(
        "UPDATE revisions SET reason = 'another' WHERE number = 3"
    )
    with pytest.raises(ChainBrokenError, match="revision 3"):
        transfer.dump(estate, path)
    with create_empty_store(url("copy")) as there:
        with pytest.raises(ChainBrokenError, match="revision 3"):
            transfer.copy(estate, there)
        assert transfer.revisions_in(there) == 1
    with create_empty_store(url("plain")) as there:
        done = transfer.copy(estate, there, chained=False)
        assert done == transfer.dump(estate, path, chained=False)
        assert there.last_revision().digest is None
        with pytest.raises(StoreExistsError):
            transfer.copy(estate, there)
    with create_empty_store(url("restored")) as there:
        assert transfer.restore(path, there) == done
        commit(there, create("Site", "new"))
        audit = Audit(there)
        assert list(check(there, audit=audit)) == []
        assert audit.begins == there.last_revision().number


def test_a_dump_made_to_say_something_else_is_refused(
    estate: GraphStore, url: Named, tmp_path: Path
) -> None:
    """With a digest of its text that fits: that of the revision does not."""
    path = tmp_path / "estate.jsonl"
    transfer.dump(estate, path)
    lines = path.read_text(encoding="utf-8").replace("YJ-ESX-01", "YJ-ESX-99").split("\n")[:-2]
    write_dump(path, lines, estate.last_revision().number)
    with create_empty_store(url("target")) as target, pytest.raises(ChainBrokenError):
        transfer.restore(path, target)


def test_a_dump_of_an_older_release_restores(
    estate: GraphStore, url: Named, tmp_path: Path
) -> None:
    """Which left the keys within JSON values as they were given."""
    path = tmp_path / "old.jsonl"
    with create_store(url("old"), load_model([])) as old:
        counts = {"serial_number": 20, "Server.memory_mib": 90}
        commit(old, create("DataSource", "s", attribute_precedence=counts))
        transfer.dump(old, path, chained=False)
    *lines, _, _ = path.read_text(encoding="utf-8").split("\n")
    assert '"version":1' in lines[0]
    sorted_keys = '{"Server.memory_mib":90,"serial_number":20}'
    assert sorted_keys in lines[-1]
    lines[-1] = lines[-1].replace(sorted_keys, '{"serial_number":20,"Server.memory_mib":90}')
    write_dump(path, lines, 2)
    with create_empty_store(url("target")) as target:
        assert transfer.restore(path, target).revisions == 2
        assert target.last_revision().digest is None


def write_dump(path: Path, lines: list[str], last: int) -> None:
    """With an end line that fits."""
    text = "".join(f"{line}\n" for line in lines)
    end = {"end": last, "sha256": sha256(text.encode()).hexdigest()}
    path.write_text(text + json.dumps(end) + "\n", encoding="utf-8", newline="\n")


def test_a_store_with_its_own_history_is_not_copied_over(estate: GraphStore, url: Named) -> None:
    with create_store(url("other"), shipped_model()) as other:
        with pytest.raises(StoreExistsError):
            transfer.copy(estate, other)
        assert other.last_revision().number == 1


def test_a_store_with_its_own_history_is_not_restored_over(
    estate: GraphStore, url: Named, tmp_path: Path
) -> None:
    path = tmp_path / "estate.jsonl"
    transfer.dump(estate, path)
    with create_store(url("short"), shipped_model()) as short:
        with pytest.raises(StoreExistsError):
            transfer.restore(path, short)
        assert short.last_revision().number == 1
        transfer.dump(short, path)
    with pytest.raises(StoreExistsError):
        transfer.restore(path, estate)


def test_a_dump_never_overwrites_a_store(estate: GraphStore, tmp_path: Path) -> None:
    path = tmp_path / "precious.db"
    create_store(f"sqlite:///{path}", shipped_model()).close()
    for wrong in (path, tmp_path):
        with pytest.raises(DumpError):
            transfer.dump(estate, wrong)
    open_store(f"sqlite:///{path}").close()


def test_a_dump_is_for_its_owner_only_and_complete_or_not_there(
    estate: GraphStore, tmp_path: Path
) -> None:
    path = tmp_path / "estate.jsonl"
    transfer.dump(estate, path)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(DumpError):
        transfer.dump(estate, tmp_path / "no" / "folder" / "x.jsonl")

    def fail(number: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        transfer.dump(estate, tmp_path / "broken.jsonl", fail)
    assert not (tmp_path / "broken.jsonl").exists()
    assert not list(tmp_path.glob("*.unfinished"))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda lines: [], "is not a dump"),
        (lambda lines: ["hello\n"], "line 1 is not JSON"),
        (lambda lines: ['{"format": "graph-cmdb dump", "version": 99}\n'], "version 99"),
        (lambda lines: lines[:-1], "ends too early"),
        (lambda lines: lines[: len(lines) // 2], "ends too early"),
        (
            lambda lines: [line for line in lines if '"revision":3' not in line],
            "where 3 should come",
        ),
        (lambda lines: [*lines[:9], lines[9][:20] + "\n", *lines[10:]], "line 10 is not JSON"),
        (lambda lines: [*lines[:9], "[]\n", *lines[10:]], "line 10 is not an object"),
        (lambda lines: [*lines[:9], '{"destroyed": 1}\n', *lines[10:]], "line 10 is no change"),
        (lambda lines: [line.replace("华夏", "花夏") for line in lines], "was changed or damaged"),
    ],
)
def test_a_damaged_dump_is_refused_with_the_place(
    damage: Callable[[list[str]], list[str]],
    says: str,
    estate: GraphStore,
    url: Named,
    tmp_path: Path,
) -> None:
    path = tmp_path / "estate.jsonl"
    transfer.dump(estate, path)
    whole = [f"{line}\n" for line in path.read_bytes().decode().split("\n") if line]
    path.write_text("".join(damage(whole)), encoding="utf-8", newline="\n")
    with create_empty_store(url("target")) as target, pytest.raises(DumpError, match=says):
        transfer.restore(path, target)


def test_bytes_that_are_no_text_are_refused(estate: GraphStore, url: Named, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    for content in (b"\xff\xfe\x00", b"\x1f\x8b\x08broken", json.dumps({"format": 1}).encode()):
        path.write_bytes(content)
        with open_empty(url) as target, pytest.raises(CmdbError):
            transfer.restore(path, target)


def open_empty(url: Named) -> GraphStore:
    try:
        return create_empty_store(url("empty"))
    except StoreExistsError:
        return open_store(url("empty"))
