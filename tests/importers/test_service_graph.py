"""Service graphs: every format gives the same services and calls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cmdb.errors import SourceError
from cmdb.reconciliation.observations import Link, Observation, Ref, Rejection
from importers.registry import make
from tests.support.mutilating import borne, cut_off, mutilated
from tests.support.observing import Observed

SHOP = [
    Observation(
        "ApplicationService",
        "service/frontend",
        {"name": "frontend"},
        [
            Link("CALLS", Ref("service/cart"), {"call_count": 12.0}),
            Link("CALLS", Ref("service/checkout"), {"call_count": 3.0}),
        ],
    ),
    Observation("ApplicationService", "service/cart", {"name": "cart"}, []),
    Observation(
        "ApplicationService",
        "service/checkout",
        {"name": "checkout"},
        [Link("CALLS", Ref("service/cart"), {"call_count": 2.0})],
    ),
]
DEPENDENCIES: list[dict[str, Any]] = [
    {"parent": "frontend", "child": "cart", "callCount": 12},
    {"parent": "frontend", "child": "checkout", "callCount": 3},
    {"parent": "checkout", "child": "cart", "callCount": 2},
]


def vector(metric: str | None = "traces_service_graph_request_total") -> dict[str, Any]:
    name = {"__name__": metric} if metric else {}
    return {
        "status": "success",
        "data": {
            "resultType": "vector",
            "result": [
                {
                    "metric": {**name, "client": edge["parent"], "server": edge["child"]},
                    "value": [1700000000.5, str(edge["callCount"])],
                }
                for edge in DEPENDENCIES
            ],
        },
    }


METRICS = """\
# HELP traces_service_graph_request_total Total count of requests between two nodes
# TYPE traces_service_graph_request_total counter
traces_service_graph_request_total{client="frontend",connection_type="",server="cart"} 12
traces_service_graph_request_total{client="frontend",server="checkout",} 3 1700000000000
traces_service_graph_request_total{server="cart", client="checkout"} 2 # {trace_id="a}b"} 1
traces_service_graph_request_failed_total{client="frontend",server="nowhere"} 9
"""


def observed(tmp_path: Path, name: str, content: str | Any) -> Observed:
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return Observed("service-graph", path)


def said(found: Observed) -> list[Observation]:
    return found.sound().observations


@pytest.mark.parametrize(
    "header",
    [
        "source,target,calls",
        "From,To,Count",
        "caller,callee,call_count",
        "client,server,requests",
        "parent,child,callCount",
        "调用方,被调用方,调用次数",
    ],
)
def test_a_table_names_its_columns_as_it_likes(tmp_path: Path, header: str) -> None:
    rows = "\n".join(",".join(map(str, edge.values())) for edge in DEPENDENCIES)
    assert said(observed(tmp_path, "calls.csv", f"\ufeff{header}\r\n{rows}\n")) == SHOP
    assert said(observed(tmp_path, "calls.tsv", f"{header}\n{rows}\n".replace(",", "\t"))) == SHOP
    assert said(observed(tmp_path, "calls.csv", f"{header}\n{rows}\n".replace(",", ";"))) == SHOP


def test_columns_may_stand_in_any_order_among_others(tmp_path: Path) -> None:
    found = observed(tmp_path, "calls.csv", 'note,target,source\n"a, b",cart,frontend\n\n,,\n')
    assert said(found) == [
        Observation(
            "ApplicationService",
            "service/frontend",
            {"name": "frontend"},
            [Link("CALLS", Ref("service/cart"), {})],
        ),
        Observation("ApplicationService", "service/cart", {"name": "cart"}, []),
    ]


def test_jaeger_and_zipkin_give_dependencies(tmp_path: Path) -> None:
    jaeger = {"data": DEPENDENCIES, "total": 0, "limit": 0, "offset": 0, "errors": None}
    assert said(observed(tmp_path, "jaeger.json", jaeger)) == SHOP
    assert said(observed(tmp_path, "zipkin.json", DEPENDENCIES)) == SHOP
    assert said(observed(tmp_path, "zipkin.json", [])) == []


def test_prometheus_answers_with_a_vector(tmp_path: Path) -> None:
    assert said(observed(tmp_path, "vector.json", vector())) == SHOP
    assert said(observed(tmp_path, "sum-by.json", vector(metric=None))) == SHOP
    failed = vector("traces_service_graph_request_failed_total")
    assert said(observed(tmp_path, "failed.json", failed)) == []


def test_of_a_matrix_the_last_value_of_each_series_counts(tmp_path: Path) -> None:
    matrix = vector()
    matrix["data"]["resultType"] = "matrix"
    for series in matrix["data"]["result"]:
        series["values"] = [[1699999940, "1"], series.pop("value")]
    assert said(observed(tmp_path, "matrix.json", matrix)) == SHOP


def test_metrics_are_read_as_text(tmp_path: Path) -> None:
    assert said(observed(tmp_path, "metrics.prom", METRICS)) == SHOP


def test_label_values_are_unescaped(tmp_path: Path) -> None:
    line = r'traces_service_graph_request_total{client="a \"b\" \\c",server="d"} 1'
    found = observed(tmp_path, "metrics.prom", line)
    assert [o.attributes["name"] for o in said(found)] == ['a "b" \\c', "d"]


def test_the_same_pair_twice_adds_its_calls_up(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("source,target,calls\na,b,1\na,b,2.5\na,c,\n")
    (tmp_path / "two.json").write_text('[{"parent": "a", "child": "b", "callCount": 4}]')
    found = Observed("service-graph", tmp_path).sound()
    counts = {
        (c.source.key, c.target.key): c.attributes.get("call_count") for c in found.claims("CALLS")
    }
    assert counts == {("service/a", "service/b"): 7.5, ("service/a", "service/c"): None}


def test_what_is_no_call_is_rejected_with_its_place(tmp_path: Path) -> None:
    rows = "source,target,calls\na,a,1\na,,1\na,b,many\na,b,-1\na,b,nan\nc\na,b,1\n"
    found = observed(tmp_path, "calls.csv", rows)
    assert [o.key for o in found.observations] == ["service/a", "service/b"]
    both = "it does not name both the caller and the called service"
    number = "its number of calls is no number of calls"
    assert found.rejections == [
        Rejection("calls.csv row 2", "a calls itself, which says nothing of other services"),
        Rejection("calls.csv row 3", both),
        Rejection("calls.csv row 4", number),
        Rejection("calls.csv row 5", number),
        Rejection("calls.csv row 6", number),
        Rejection("calls.csv row 7", both),
    ]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.csv", "", "is empty"),
        ("a.csv", "hostname,serial\nweb,1\n", "no columns such as source and target"),
        ("a.csv", "from,weight\nweb,1\n", "no columns such as source and target"),
        ("a.json", '{"data": 1}', "is no service graph of Jaeger"),
        ("a.json", '{"apiVersion": "v1"}', "is no service graph of Jaeger"),
        ("a.json", '[{"name": "x"}]', "have no parent and child"),
        ("a.json", '[{"parent": "x"', "is not JSON"),
        ("a.prom", "# HELP up\n# TYPE up gauge\nup 1\n", "holds no metric"),
    ],
)
def test_what_is_no_service_graph_is_refused(
    tmp_path: Path, name: str, content: str, why: str
) -> None:
    with pytest.raises(SourceError, match=why):
        observed(tmp_path, name, content)


def test_wrong_values_anywhere_are_borne() -> None:
    importer = make("service-graph", {})
    for wrong in (*mutilated(vector()), *mutilated({"data": DEPENDENCIES})):
        borne(importer, "graph.json", json.dumps(wrong).encode())
    table = b'source,target,calls\n"a",b,1\nc,d,2\n'
    for content in (METRICS.encode(), table, json.dumps(vector()).encode()):
        for piece in cut_off(content):
            borne(importer, "graph", piece)
