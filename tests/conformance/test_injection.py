"""Injection through every name and value, on the running stores: refused, or kept as plain text."""

from __future__ import annotations

import pytest

from cmdb.change_sets import Create, Operation, Relate, Unrelate, Update
from cmdb.errors import CmdbError
from cmdb.ids import new_id
from cmdb.queries import Query
from cmdb.store import GraphStore
from tests.support.building import add, commit, create

EVILS = (
    "x'); DROP TABLE records; --",
    "x`) DETACH DELETE (n) //",
    'x"}) MATCH (m) DETACH DELETE m //',
    "$p0} RETURN 1 UNION MATCH (n) DETACH DELETE n //",
    "\\u0060) DELETE n //",
    "' OR '1'='1",
    '$."x" || $.y',
    "%' --",
    '" OR *:* AND "',
)


def test_names_are_refused_and_values_kept_as_they_are(store: GraphStore) -> None:
    victim, app = add(store, "Device", "victim"), add(store, "App", "app")
    commit(store, Relate(app, "RUNS_ON", victim))
    for evil in EVILS:
        operations: list[Operation] = [
            Create(evil, {"name": "x"}, new_id()), Create("Device", {"name": "x", evil: 1}, new_id()),
            Create("Device", {"name": "x"}, evil), Update(evil, {"name": "x"}), Update(victim, {evil: 1}),
            Relate(app, evil, victim), Relate(evil, "RUNS_ON", victim), Relate(app, "RUNS_ON", evil),
            Relate(app, "RUNS_ON", victim, {evil: 1}), Unrelate(app, evil, victim), Unrelate(evil, "RUNS_ON", victim),
        ]  # fmt: skip
        for operation in operations:
            with pytest.raises(CmdbError):
                commit(store, operation)
        for reading in (
            lambda evil=evil: store.neighbours([victim], [evil]),
            lambda evil=evil: store.count_by(Query("Device"), [evil]),
            lambda evil=evil: store.record(evil),
            lambda evil=evil: store.history(evil),
            lambda evil=evil: store.find(Query("Device", {evil: 1})),
            lambda evil=evil: store.find(Query(evil)),
        ):
            with pytest.raises(CmdbError):
                reading()
        assert store.get([evil]) == {}
        assert store.neighbours([evil]) == []
        device = create("Device", evil, note=evil, tags=[evil], facts={evil: evil}, secret=evil)
        commit(store, device)
        for where in (
            {"name": evil}, {"note": {"contains": evil}}, {"tags": {"contains": evil}},
            {"name": {"prefix": evil[:3]}, "note": evil}, {"name": {"in": [evil]}},
        ):  # fmt: skip
            [found] = store.find(Query("Device", where)).records
            assert found.attributes["facts"] == {evil: evil}
        assert device.id in {record.id for record in store.search(evil).records}
    assert store.record(victim).name == "victim"
    assert len(store.neighbours([victim])) == 1
    assert store.statistics().records == 2 + len(EVILS)
