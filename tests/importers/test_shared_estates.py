"""The shared sample estates, imported into a store: nothing lost, joined by mistake, or told twice."""

from __future__ import annotations

import base64
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from cmdb.integrity import check
from cmdb.queries import Query
from cmdb.reconciliation.planning import Entry
from cmdb.reconciliation.precedence import provenance_of
from cmdb.reconciliation.statements import Statement, Subject
from cmdb.records import Record
from cmdb.store import GraphStore, create_store
from importers.registry import names
from tests.support.estates import WITH_SHARED_DATA, Estate, estates
from tests.support.observing import shared_data, shipped_model

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.slow,
]

QUESTIONS = {
    # One bears the MAC address of a device of another network, and the name of a third.
    "lldp-napalm nxos-mocked_data-test_get_lldp_neighbors_detail-normal": {"perimeter"},
    # Fabrics of laboratories all call their switches so.
    "lldp-napalm nxos_ssh-mocked_data-test_get_lldp_neighbors_detail-normal": {"leaf01", "leaf02"},
    "l1-batfish sonic/layer1_topology.json": {"leaf01", "leaf02", "spine01", "spine02"},
}
HELD = {"l1-batfish sonic/layer1_topology.json"}
"""Those whose own statements wait for a person."""


class Imported:
    """Sources in a store, and what the first run of each said."""

    def __init__(self, store: GraphStore, path: Path, sources: list[Estate]) -> None:
        self.store, self.path, self.sources = store, path, sources
        self.lines: dict[str, list[Entry]] = {}
        for source in sources:
            _, self.lines[source.source] = source.run_into(store)
        self.said = {source.source: source.said() for source in sources}

    def claimed(self, source: str) -> tuple[dict[str, list[Record]], dict[str, list[Record]]]:
        """What a source reports: its records by the source's keys, and the parts of each record."""
        by_key, parts = defaultdict(list), defaultdict(list)
        for record in self.store.scan_records():
            claim = provenance_of(record.attributes).get(source)
            if not claim or claim.get("vanished"):
                continue
            for key in (claim.get("key"), *claim.get("also", ())):
                if key:
                    by_key[key].append(record)
            if claim.get("of"):
                parts[claim["of"]].append(record)
        return by_key, parts

    def rerun(self) -> None:
        """Every source says again what it said: nothing is committed."""
        before = self.store.last_revision().number
        for source in self.sources:
            summary, lines = source.run_into(self.store)
            told = [line for line in lines if line.action not in ("rejected", "duplicate")]
            assert told == [], source.source
            assert summary.changes == 0, source.source
            if source.source not in HELD:
                assert summary.counts.get("unchanged", 0) == summary.statements, source.source
            assert self.store.last_revision().number == before, source.source


def imported(folder: Path, *importers: str) -> Iterator[Imported]:
    sources = [source for name in importers for source in estates(name, folder)]
    path = folder / "store.db"
    with create_store(f"sqlite:///{path}", shipped_model()) as store:
        yield Imported(store, path, sources)


@pytest.fixture(scope="module", params=WITH_SHARED_DATA)
def estate(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Imported]:
    """The sources of one importer in one store."""
    yield from imported(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Imported]:
    """All sources in one store."""
    yield from imported(tmp_path_factory.mktemp("together"), *WITH_SHARED_DATA)


def test_only_importers_without_a_sample_are_left_out() -> None:
    assert set(names()) - set(WITH_SHARED_DATA) == {"ansible", "jsonl", "service-graph"}


# -- what must hold, of one importer's sources and of all --------------------------------------------------


def assert_nothing_more_is_rejected(found: Imported) -> None:
    for source, lines in found.lines.items():
        _, rejections = found.said[source]
        expected = Counter((r.place, r.reason) for r in rejections)
        assert expected == Counter((e.place, e.why) for e in lines if e.action == "rejected")


def assert_each_statement_is_a_record_with_its_parts(found: Imported) -> None:
    for source, (statements, _) in found.said.items():
        by_key, parts = found.claimed(source)
        ids = {}
        for statement in statements:
            if source in HELD and statement.key not in by_key:
                continue
            [record] = by_key[statement.key]
            ids[statement.key] = record.id
            kept = Counter(part.type for part in everything_below(record.id, parts))
            assert kept == Counter(own_parts(statement)), (source, statement.key)
        assert len(set(ids.values())) == len(ids), source


def own_parts(statement: Statement) -> Iterator[str]:
    """The types of a thing's parts and their parts, not of what it is only linked to."""
    reached = {id(statement.subjects[0])}
    for claim in statement.claims * 2:
        for near, far in ((claim.source, claim.target), (claim.target, claim.source)):
            known = id(near) in reached and id(far) not in reached
            if known and isinstance(far, Subject) and far.role == "part":
                reached.add(id(far))
                yield far.type


def everything_below(id_: str, parts: dict[str, list[Record]]) -> Iterator[Record]:
    for part in parts.get(id_, ()):
        yield part
        yield from everything_below(part.id, parts)


def assert_only_these_questions_are_asked(found: Imported) -> None:
    asked = {
        source: {line.what for line in lines if line.action == "duplicate"}
        for source, lines in found.lines.items()
    }
    present = {source.source for source in found.sources}
    expected = {source: what for source, what in QUESTIONS.items() if source in present}
    assert {source: what for source, what in asked.items() if what} == expected


def assert_no_secret_is_in_the_file(found: Imported, secrets: set[bytes]) -> None:
    assert found.path.stat().st_size > 0
    for path in found.path.parent.glob(f"{found.path.name}*"):
        content = path.read_bytes()
        assert not [secret for secret in secrets if secret in content], path.name


def assert_a_second_run_changes_nothing(found: Imported) -> None:
    found.rerun()
    for name in found.store.marks(""):
        found.store.mark(name, None)
    found.rerun()
    assert list(check(found.store)) == []


# -- what must never be there ------------------------------------------------------------------------------


def secrets_of(importer: str) -> set[bytes]:
    """Credentials that the samples of an importer are known to hold."""
    match importer:
        case "netbox":
            return {c * 12 for c in (b"1", b"2", b"a", b"n")} | {b"0123456789abcdef0123"}
        case "ldap":
            return _passwords_of_directories()
        case "aws":
            return {b"superduper", b"awsuser", b"ssh-rsa", b"arn:aws:iam::123456789012:user"}
        case "kubernetes":
            return {b"cGFzc3dvcmQ", b"mysql_native_password"}
        case "compose":
            return {b"yYrECL4qbNwleYInGJYvVnSkwJuSQJ4ijPTx5tirGUXrbznFIBFVJdPl5t6O9ASw"}
        case _:
            return set()


def _passwords_of_directories() -> set[bytes]:
    """Those that are no account's own name, as they stand in the files and decoded."""
    found: set[str] = set()
    others: set[str] = set()
    paths = [*shared_data("ldif-openldap").glob("*.ldif")]
    paths += [p for p in shared_data("ldif-planetexpress").rglob("*") if p.suffix == ".ldif"]
    for path in paths:
        text = path.read_text(encoding="utf-8").replace("\n ", "")
        for line in text.splitlines():
            name, _, value = line.partition(":")
            if name.lower() != "userpassword":
                others.update(value.strip(": ").split())
                continue
            plain = value.strip(": ")
            found |= {plain, base64.b64decode(plain).decode()} if value[:1] == ":" else {plain}
    kept = {secret for secret in found if len(secret) > 5 and secret not in others}
    assert len(kept) > 10
    return {secret.encode() for secret in kept}


# -- one importer's sources --------------------------------------------------------------------------------


def test_a_run_rejects_what_the_importer_and_the_model_reject_and_no_more(estate: Imported) -> None:
    assert_nothing_more_is_rejected(estate)


def test_the_store_is_sound(estate: Imported) -> None:
    assert list(check(estate.store)) == []


def test_each_statement_is_one_record_with_the_parts_it_tells(estate: Imported) -> None:
    assert_each_statement_is_a_record_with_its_parts(estate)


def test_a_person_is_asked_only_where_names_are_ambiguous(estate: Imported) -> None:
    assert_only_these_questions_are_asked(estate)


def test_a_second_run_commits_nothing_with_and_without_what_was_remembered(
    estate: Imported,
) -> None:
    assert_a_second_run_changes_nothing(estate)


def test_no_secret_of_a_source_is_in_the_file(estate: Imported) -> None:
    assert_no_secret_is_in_the_file(estate, secrets_of(estate.sources[0].importer))


@pytest.mark.parametrize("estate", ["dmidecode"], indirect=True)
def test_machines_with_scrubbed_serial_numbers_stay_apart(estate: Imported) -> None:
    machines = {key for s in ("hw-netbox-agent", "hw-linuxhw-dmi") for key in estate.claimed(s)[0]}
    assert len(machines) == 13 + 8
    for source, dumps in (("hw-netbox-agent", 13), ("hw-linuxhw-dmi", 8)):
        by_key, _ = estate.claimed(source)
        assert len({record.id for [record] in by_key.values()}) == dumps
    where = {"serial_number": {"eq": "4242"}}
    scrubbed = estate.store.find(Query("Computer", where)).records
    assert len(scrubbed) == len({r.attributes["model"] for r in scrubbed}) == 6


# -- all of them -------------------------------------------------------------------------------------------


def test_all_sources_in_one_store(together: Imported) -> None:
    assert len({source.source for source in together.sources}) == len(together.sources)
    assert list(check(together.store)) == []
    assert_nothing_more_is_rejected(together)
    assert_each_statement_is_a_record_with_its_parts(together)
    assert_only_these_questions_are_asked(together)
    assert_no_secret_is_in_the_file(
        together, {s for name in WITH_SHARED_DATA for s in secrets_of(name) if len(s) > 8}
    )
    assert_a_second_run_changes_nothing(together)
