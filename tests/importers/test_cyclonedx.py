"""CycloneDX bills of materials: one statement about an application, whatever the form."""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cmdb.errors import SourceError
from cmdb.reconciliation.observations import Link, Observation, Ref
from importers.cyclonedx import plain_purl
from importers.cyclonedx.documents import Bom, read
from importers.reading import documents
from tests.support.observing import Observed, shared_data

BOM: dict[str, Any] = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.5",
    "metadata": {
        "component": {
            "bom-ref": "root",
            "type": "application",
            "group": "grid",
            "name": "outage",
            "version": "2.1",
            "description": "Outage management",
        }
    },
    "components": [
        {
            "bom-ref": "1",
            "type": "library",
            "publisher": "FasterXML",
            "group": "com.fasterxml",
            "name": "jackson",
            "version": "2.9",
            "purl": "pkg:maven/com.fasterxml/jackson@2.9?type=jar",
            "licenses": [{"license": {"id": "Apache-2.0"}}, {"license": {"name": "Own"}}],
            "components": [{"bom-ref": "2", "type": "library", "name": "shaded", "version": "1"}],
        },
        {
            "bom-ref": "3",
            "type": "framework",
            "name": "bare",
            "supplier": {"name": "Microsoft Corporation"},
            "licenses": [{"expression": "MIT OR GPL-2.0-only"}],
        },
        {"bom-ref": "4", "type": "file", "name": "/etc/hosts"},
    ],
    "services": [
        {
            "bom-ref": "gateway",
            "name": "Gateway",
            "endpoints": [
                "https://api.example/v1?token=abcdefgh",
                "https://user:pw@api.example/",
                "not a url",
            ],
            "services": [{"bom-ref": "inner", "name": "Inner"}],
        },
        {"bom-ref": "lonely", "name": "Lonely", "description": "Nobody calls it"},
    ],
    "dependencies": [
        {"ref": "root", "dependsOn": ["1", "gateway"]},
        {"ref": "1", "dependsOn": ["2", "3", "3", "4"]},
        {"ref": "3", "dependsOn": ["1"]},
        {"ref": "gateway", "dependsOn": ["inner", "1"]},
        {"ref": "2"},
    ],
}

BOM_XML = """\
<?xml version="1.0"?>
<bom xmlns="http://cyclonedx.org/schema/bom/1.5" version="1">
 <metadata><component bom-ref="root" type="application">
  <group>grid</group><name>outage</name><version>2.1</version>
  <description><![CDATA[Outage management]]></description>
 </component></metadata>
 <components>
  <component bom-ref="1" type="library">
   <publisher>FasterXML</publisher><group>com.fasterxml</group><name>jackson</name>
   <version>2.9</version>
   <licenses><license><id>Apache-2.0</id></license><license><name>Own</name></license></licenses>
   <purl>pkg:maven/com.fasterxml/jackson@2.9?type=jar</purl>
   <components><component bom-ref="2" type="library"><name>shaded</name><version>1</version></component></components>
  </component>
  <component bom-ref="3" type="framework">
   <supplier><name>Microsoft Corporation</name></supplier><name>bare</name>
   <licenses><expression>MIT OR GPL-2.0-only</expression></licenses>
  </component>
  <component bom-ref="4" type="file"><name>/etc/hosts</name></component>
 </components>
 <services>
  <service bom-ref="gateway"><name>Gateway</name>
   <endpoints>
    <endpoint>https://api.example/v1?token=abcdefgh</endpoint>
    <endpoint>https://user:pw@api.example/</endpoint>
    <endpoint>not a url</endpoint>
   </endpoints>
   <services><service bom-ref="inner"><name>Inner</name></service></services>
  </service>
  <service bom-ref="lonely"><name>Lonely</name><description>Nobody calls it</description></service>
 </services>
 <dependencies>
  <dependency ref="root"><dependency ref="1"/><dependency ref="gateway"/></dependency>
  <dependency ref="1"><dependency ref="2"/><dependency ref="3"/><dependency ref="3"/><dependency ref="4"/></dependency>
  <dependency ref="3"><dependency ref="1"/></dependency>
  <dependency ref="gateway"><dependency ref="inner"/><dependency ref="1"/></dependency>
  <dependency ref="2"/>
 </dependencies>
</bom>
"""

JACKSON = "pkg:maven/com.fasterxml/jackson@2.9?type=jar"
OUTAGE = "application/grid/outage"


def written(folder: Path, bom: Any, name: str = "outage.json") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(bom if isinstance(bom, str) else json.dumps(bom))
    return path


def bill(path: Path) -> Bom:
    [document] = documents([str(path)])
    return read(document)


def minimal(**members: Any) -> dict[str, Any]:
    about = {"component": {"bom-ref": "root", "type": "application", "name": "app"}}
    return {"bomFormat": "CycloneDX", "metadata": about, **members}


def without_places(observations: list[Observation]) -> str:
    return re.sub(r"place='[^']*'", "", repr(observations))


def test_a_bill_is_one_statement_about_its_application_and_one_for_each_service(
    tmp_path: Path,
) -> None:
    place = "outage.json"
    observed = Observed("cyclonedx", written(tmp_path, BOM)).sound()
    jackson = Observation(
        "SoftwarePackage",
        JACKSON,
        {
            "name": "com.fasterxml/jackson",
            "version": "2.9",
            "vendor": "FasterXML",
            "package_url": JACKSON,
            "licence_names": ["Apache-2.0", "Own"],
        },
        [Link("REQUIRES", Ref("package/shaded@1")), Link("REQUIRES", Ref("package/bare"))],
        place,
    )
    shaded = Observation(
        "SoftwarePackage", "package/shaded@1", {"name": "shaded", "version": "1"}, [], place
    )
    bare = Observation(
        "SoftwarePackage",
        "package/bare",
        {"name": "bare", "vendor": "Microsoft", "licence_names": ["MIT OR GPL-2.0-only"]},
        [Link("REQUIRES", Ref(JACKSON))],
        place,
    )
    services = f"{OUTAGE}/service"
    assert observed.observations == [
        Observation(
            "Application",
            OUTAGE,
            {"name": "outage", "version": "2.1", "description": "Outage management"},
            [
                Link("HAS_INSTALLED", jackson),
                Link("HAS_INSTALLED", shaded),
                Link("HAS_INSTALLED", bare),
                Link("DEPENDS_ON", Ref(f"{services}/lonely")),
                Link("REQUIRES", Ref(JACKSON)),
                Link("DEPENDS_ON", Ref(f"{services}/gateway")),
            ],
            place,
        ),
        Observation(
            "ApplicationService",
            f"{services}/gateway",
            {"name": "Gateway", "endpoints": ["https://api.example/v1"]},
            [Link("DEPENDS_ON", Ref(f"{services}/inner")), Link("DEPENDS_ON", Ref(JACKSON))],
            place,
        ),
        Observation("ApplicationService", f"{services}/inner", {"name": "Inner"}, [], place),
        Observation(
            "ApplicationService",
            f"{services}/lonely",
            {"name": "Lonely", "description": "Nobody calls it"},
            [],
            place,
        ),
    ]


def test_packages_are_mentions_that_others_may_share(tmp_path: Path) -> None:
    observed = Observed("cyclonedx", written(tmp_path, BOM))
    assert {s.key for s in observed.subjects("SoftwarePackage", "mention")} == {
        JACKSON,
        "package/shaded@1",
        "package/bare",
    }
    assert observed.subjects("SoftwarePackage", "statement") == []


@pytest.mark.parametrize("version", ["1.2", "1.4", "1.6", "2.0"])
def test_xml_says_what_json_says(tmp_path: Path, version: str) -> None:
    plain = Observed("cyclonedx", written(tmp_path, BOM)).observations
    text = BOM_XML.replace("bom/1.5", f"bom/{version}")
    in_xml = Observed("cyclonedx", written(tmp_path, text, "outage.xml")).sound().observations
    assert without_places(in_xml) == without_places(plain)


@pytest.mark.parametrize(
    ("name", "key", "called"),
    [
        ("billing.json", "application/billing", "billing"),
        ("portal/bom.json", "application/portal", "portal"),
        ("bom.json", "application/bom", "bom"),
    ],
)
def test_an_application_without_a_name_is_called_like_its_file(
    tmp_path: Path, name: str, key: str, called: str
) -> None:
    written(tmp_path, {"bomFormat": "CycloneDX", "components": [{"name": "a"}]}, name)
    [application] = Observed("cyclonedx", tmp_path).sound().observations
    assert (application.key, application.attributes) == (key, {"name": called})


def test_an_option_names_the_application(tmp_path: Path) -> None:
    path = written(tmp_path, BOM)
    application = Observed("cyclonedx", path, application="停电管理").sound().observations[0]
    assert (application.key, application.attributes["name"]) == ("application/停电管理", "停电管理")
    assert application.attributes["version"] == "2.1"


@pytest.mark.parametrize(
    ("name", "version", "key"),
    [
        ("nginx:1.25", "sha256:" + "a" * 64, "image/nginx:1.25@sha256:" + "a" * 64),
        ("docker.io/library/nginx", "1.25", "image/nginx:1.25"),
        ("nginx:1.25", "", "image/nginx:1.25"),
    ],
)
def test_the_bill_of_a_container_image_is_about_the_image(
    tmp_path: Path, name: str, version: str, key: str
) -> None:
    about = {"type": "container", "bom-ref": "r", "name": name, "version": version}
    bom = {
        "bomFormat": "CycloneDX",
        "metadata": {"component": about},
        "components": [{"bom-ref": "p", "name": "openssl", "version": "3.0"}],
        "dependencies": [{"ref": "r", "dependsOn": ["p"]}],
    }
    [made] = Observed("cyclonedx", written(tmp_path, bom)).sound().observations
    assert (made.type, made.key) == ("ContainerImage", key)
    assert [(link.name, link.to.key) for link in made.links] == [
        ("HAS_INSTALLED", "package/openssl@3.0")
    ]


def test_the_same_package_in_two_places_is_mentioned_once(tmp_path: Path) -> None:
    purl = "pkg:npm/ms@2.0.0"
    components = [{"bom-ref": ref, "name": "ms", "version": "2.0.0", "purl": purl} for ref in "ab"]
    bom = minimal(components=components, dependencies=[{"ref": "a", "dependsOn": ["b"]}])
    path = written(tmp_path, bom)
    assert len(bill(path).components) == 2
    [application] = Observed("cyclonedx", path).sound().observations
    assert [link.to.key for link in application.links] == [purl]
    assert application.links[0].to.links == []  # type: ignore[union-attr]


def test_an_application_among_its_own_components_is_not_installed_on_itself(tmp_path: Path) -> None:
    purl = "pkg:npm/app@1"
    about = {"bom-ref": "root", "name": "app", "purl": purl}
    bom = {
        "bomFormat": "CycloneDX",
        "metadata": {"component": about},
        "components": [
            {"bom-ref": "again", "name": "app", "purl": purl},
            {"bom-ref": "x", "name": "x"},
        ],
        "dependencies": [{"ref": "again", "dependsOn": ["x"]}],
    }
    [application] = Observed("cyclonedx", written(tmp_path, bom)).sound().observations
    assert [(link.name, link.to.key) for link in application.links] == [
        ("HAS_INSTALLED", "package/x"),
        ("REQUIRES", "package/x"),
    ]


def test_what_is_wrong_in_a_bill_is_rejected_and_the_rest_goes_in(tmp_path: Path) -> None:
    bom = minimal(
        components=[{"bom-ref": "a", "name": "a"}, {"version": "1"}, 7, None],
        services={"name": "x"},
        dependencies=[
            {"ref": "a", "dependsOn": ["a", "nowhere?token=abc", "urn:cdx:1/2#x"]},
            {"dependsOn": ["a"]},
            {"ref": "root", "dependsOn": "a"},
        ],
    )
    observed = Observed("cyclonedx", written(tmp_path, bom))
    assert [link.to.key for link in observed.observations[0].links] == ["package/a"]
    assert {r.place for r in observed.rejections} == {"outage.json"}
    assert [r.reason for r in observed.rejections] == [
        "something among the components has no name",
        "something among the components has no name",
        "something among the components has no name",
        "services is no list",
        "a node of the dependency graph has no ref",
        "dependsOn is no list",
        "the dependency graph names “nowhere”, which is not in the bill",
        "“a” is said to depend on itself",
    ]
    assert observed.unfit == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("pkg:npm/a@1", "pkg:npm/a@1"),
        ("pkg:maven/g/a@1?type=jar#sub", "pkg:maven/g/a@1?type=jar#sub"),
        (
            "pkg:generic/a@1?download_url=https%3A%2F%2Fme%3Apw%40host%2Fa&arch=x86",
            "pkg:generic/a@1?arch=x86",
        ),
        ("pkg:generic/a@1?vcs_url=https://me:pw@host/a", "pkg:generic/a@1"),
        ("npm/a@1", None),
        (None, None),
    ],
)
def test_a_package_url_keeps_no_credentials(given: str | None, expected: str | None) -> None:
    assert plain_purl(given) == expected


def test_secrets_of_a_bill_stay_there(tmp_path: Path) -> None:
    bom = copy.deepcopy(BOM)
    bom["components"][0]["purl"] += "&repository_url=https%3A%2F%2Fme%3Ahunter2%40repo.example"
    bom["components"][0]["properties"] = [{"name": "API_KEY", "value": "hunter2"}]
    bom["services"][0]["endpoints"] += [
        "https://x.example/?key=hunter2",
        "https://hunter2@x.example",
    ]
    texts = list(Observed("cyclonedx", written(tmp_path, bom)).sound().texts())
    assert not [t for t in texts if "hunter2" in t or "abcdefgh" in t]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        '{"spdxVersion": "SPDX-2.3", "packages": []}',
        '{"bomFormat": ["CycloneDX"]}',
        "<bom/>",
        '<bom xmlns="http://example.org/bom"/>',
        '<other xmlns="http://cyclonedx.org/schema/bom/1.4"/>',
        '<bom xmlns="http://cyclonedx.org/schema/bom/1.4"><components>',
        '<!DOCTYPE b [<!ENTITY a "x">]><bom xmlns="http://cyclonedx.org/schema/bom/1.4">&a;</bom>',
        '<bom xmlns="http://cyclonedx.org/schema/bom/1.4">' + "<components>" * 500,
        "plain text",
        "[" * 100_000,
        '{"bomFormat": "CycloneDX", "components": ' + '[{"name":"a","components":' * 3000,
    ],
)
def test_what_is_no_bill_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(SourceError) as caught:
        Observed("cyclonedx", written(tmp_path, content))
    assert "outage.json" in str(caught.value)


def test_components_nested_deep_are_all_counted(tmp_path: Path) -> None:
    nested: list[Any] = []
    for number in range(200):
        nested = [{"name": f"c{number}", "components": nested}]
    path = written(tmp_path, minimal(components=nested))
    assert len(bill(path).components) == 200
    assert len(Observed("cyclonedx", path).sound().subjects("SoftwarePackage")) == 200


def spots(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a tree where something else may stand."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in list(items):
        yield tree, key
        if isinstance(value, dict | list):
            yield from spots(value)


WRONG: list[Any] = [None, 7, [None, 3, "x", []], {"name": {}}]


def test_bills_with_wrong_types_anywhere_give_observations_or_rejections(tmp_path: Path) -> None:
    for number in range(len(list(spots(copy.deepcopy(BOM))))):
        for wrong in WRONG:
            bom = copy.deepcopy(BOM)
            tree, key = list(spots(bom))[number]
            tree[key] = wrong
            try:
                Observed("cyclonedx", written(tmp_path, bom))
            except SourceError:
                assert key == "bomFormat"


def test_mutilated_bills_give_observations_rejections_or_a_source_error(tmp_path: Path) -> None:
    random_ = random.Random(20)
    for text in (json.dumps(BOM, indent=1), BOM_XML):
        for _ in range(75):
            content = bytearray(text.encode())
            for _ in range(random_.randrange(1, 4)):
                place = random_.randrange(len(content))
                content[place : place + random_.randrange(3)] = random_.choice(
                    (b"", b'"', b"<", b"\xff", b"0")
                )
            path = tmp_path / "outage.json"
            path.write_bytes(
                content[: random_.choice((len(content), random_.randrange(len(content))))]
            )
            try:
                Observed("cyclonedx", path)
            except SourceError:
                continue


def edges(bom: Bom) -> tuple[int, int]:
    """Nodes and edges of the dependency graph."""
    return len(bom.dependencies), sum(len(targets) for _, targets in bom.dependencies)


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "components", "graph", "called"),
    [
        ("juice-shop/v11.1.2/bom.json", 840, (0, 0), ("juice-shop", "11.1.2")),
        ("dropwizard-1.3.15/bom.xml", 167, (167, 170), ("dropwizard-parent", "1.3.15")),
        ("laravel-7.12.0/bom.1.4.json", 62, (63, 113), ("cyclonedx-php-composer-demo", "dev-master")),
        ("laravel-7.12.0/bom.1.4.xml", 62, (63, 113), ("cyclonedx-php-composer-demo", "dev-master")),
        ("cern-lhc-vdm-editor-e564943/bom.xml", 43, (0, 0), ("lhc-vdm-editor", "0.0.1")),
    ],
)  # fmt: skip
def test_real_bills(
    name: str, components: int, graph: tuple[int, int], called: tuple[str, str]
) -> None:
    path = shared_data("sbom-cyclonedx") / name
    bom = bill(path)
    assert (len(bom.components), edges(bom)) == (components, graph)
    observed = Observed("cyclonedx", path).sound()
    [application] = observed.observations
    assert (application.attributes["name"], application.attributes["version"]) == called
    packages = observed.subjects("SoftwarePackage", "mention")
    assert len(packages) == components
    assert all(p.attributes["package_url"] == p.key for p in packages)
    assert len(observed.claims("HAS_INSTALLED")) == components
    assert len(observed.claims("REQUIRES")) == graph[1]
    assert observed.claims("DEPENDS_ON") == []
    keys = {p.key for p in packages}
    assert {c.target.key for c in observed.claims("REQUIRES")} <= keys


@pytest.mark.shared_data
def test_the_json_and_the_xml_of_one_bill_agree() -> None:
    folder = shared_data("sbom-cyclonedx") / "laravel-7.12.0"
    in_json, in_xml = (
        Observed("cyclonedx", folder / f"bom.1.4.{form}").observations for form in ("json", "xml")
    )
    by_target = sorted(link.to.key for link in in_json[0].links if link.name == "HAS_INSTALLED")
    assert len(by_target) == 62
    assert without_places(in_json) == without_places(in_xml)


@pytest.mark.shared_data
def test_a_bill_of_services() -> None:
    path = shared_data("sbom-cyclonedx") / "SaaSBOM/apigateway-microservices-datastores/bom.json"
    bom = bill(path)
    assert [service.nested for service in bom.services] == [False] + [True] * 5
    assert edges(bom) == (5, 6)
    observed = Observed("cyclonedx", path).sound()
    assert [o.attributes["name"] for o in observed.observations] == [
        "Acme Cloud Example",
        "API Gateway",
        "Microservice 1",
        "Microservice 2",
        "Microservice 3",
        "Postgres",
        "S3",
    ]
    names = {o.key: o.attributes["name"] for o in observed.observations}
    assert [(names[c.source.key], names[c.target.key]) for c in observed.claims("DEPENDS_ON")] == [
        ("Acme Cloud Example", "API Gateway"),
        ("API Gateway", "Microservice 1"),
        ("API Gateway", "Microservice 2"),
        ("API Gateway", "Microservice 3"),
        ("Microservice 1", "Postgres"),
        ("Microservice 3", "S3"),
    ]
