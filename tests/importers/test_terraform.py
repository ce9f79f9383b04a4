"""Terraform states: what is taken of them, and that nothing else is."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cmdb.errors import SourceError
from cmdb.reconciliation.observations import Rejection
from importers.contract import Options
from importers.reading import documents
from importers.terraform import Terraform
from importers.terraform.state import Resource, resources
from importers.terraform.types import TYPES, is_secretive, region_of_zone
from tests.support.mutilating import all_borne, mutilated
from tests.support.observing import Observed, shared_data, shipped_model, written

LINEAGE = "11111111-2222-3333-4444-555555555555"
STATE = "prod.tfstate"
WORLD = f"{STATE}#{LINEAGE}"


def resource(type_: str, name: str, *instances: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "mode": "managed",
        "type": type_,
        "name": name,
        "provider": 'provider["registry.terraform.io/x/y"]',
        "instances": list(instances),
    } | more


def instance(index: Any = None, depends: Any = None, **attributes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"schema_version": 0, "attributes": attributes}
    if index is not None:
        made["index_key"] = index
    if depends is not None:
        made["dependencies"] = depends
    return made


def state(*found: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "version": 4,
        "terraform_version": "1.9.0",
        "serial": 7,
        "lineage": LINEAGE,
        "outputs": {},
        "resources": list(found),
    } | more


def observed(folder: Path, *found: dict[str, Any], **more: Any) -> Observed:
    return Observed("terraform", written(folder / STATE, state(*found, **more)))


def the(seen: Observed, address: str) -> dict[str, Any]:
    return seen.values(f"{WORLD}:{address}")


def links(seen: Observed, type_: str = "DEPENDS_ON") -> list[tuple[str, str]]:
    """Ends of relationships, as addresses."""
    world = f"{WORLD}:"
    return sorted((a.removeprefix(world), b.removeprefix(world)) for a, b in seen.ends(type_))


def test_every_record_type_in_the_table_is_in_the_model() -> None:
    assert set(TYPES.values()) <= {
        n for n, t in shipped_model().record_types.items() if not t.abstract
    }


def test_an_instance_has_its_id_region_size_addresses_and_host_name(tmp_path: Path) -> None:
    seen = observed(
        tmp_path,
        resource(
            "aws_instance",
            "web",
            instance(
                id="i-0aa",
                arn="arn:aws:ec2:eu-west-1:123456789012:instance/i-0aa",
                instance_type="t3.micro",
                private_ip="10.0.0.5",
                public_ip="198.51.100.7",
                hostname="Web-1.Example.COM",
                tags={"Name": "web 1"},
            ),
        ),
    ).sound()
    [statement] = seen.statements
    assert statement.subjects[0].type == "CloudInstance"
    assert the(seen, "aws_instance.web") == {
        "name": "web 1",
        "resource_id": "i-0aa",
        "region": "eu-west-1",
        "cloud_provider": "aws",
        "instance_type": "t3.micro",
        "management_ip": "10.0.0.5",
        "hostname": "web-1",
        "domain": "example.com",
    }
    assert links(seen, "HAS_ADDRESS") == [("aws_instance.web", "address/198.51.100.7")]


@pytest.mark.parametrize(
    ("type_", "attributes", "record_type", "expected"),
    [
        (
            "aws_vpc",
            {"id": "vpc-1", "cidr_block": "10.0.0.0/16"},
            "VPC",
            {"network": "10.0.0.0/16"},
        ),
        (
            "azurerm_subnet",
            {"id": "/subscriptions/s/subnets/a", "address_prefixes": ["10.1.0.0/24"]},
            "CloudSubnet",
            {"network": "10.1.0.0/24", "cloud_provider": "azure"},
        ),
        (
            "google_compute_disk",
            {"id": "projects/p/d", "self_link": "https://g/p/d", "size": 50, "zone": "us-east1-b"},
            "CloudVolume",
            {"capacity_gib": 50.0, "region": "us-east1", "resource_id": "https://g/p/d"},
        ),
        (
            "google_sql_database_instance",
            {"id": "db", "database_version": "SQLSERVER_2019_STANDARD"},
            "CloudDatabase",
            {"engine": "sqlserver", "version": "2019"},
        ),
        (
            "aws_db_instance",
            {"id": "d", "arn": "arn:aws:rds:eu-west-1:123456789012:db:d", "engine_version": "8.0"},
            "CloudDatabase",
            {"version": "8.0", "resource_id": "arn:aws:rds:eu-west-1:123456789012:db:d"},
        ),
        ("aws_dynamodb_table", {"id": "t"}, "CloudDatabase", {"engine": "dynamodb"}),
        (
            "aws_s3_bucket",
            {"id": "logs", "arn": "arn:aws-cn:s3:::logs", "bucket": "logs"},
            "Bucket",
            {"resource_id": "logs", "name": "logs"},
        ),
        (
            "azurerm_linux_virtual_machine",
            {"id": "/s/vm", "location": "West Europe", "size": "B2s", "computer_name": "vm1"},
            "CloudInstance",
            {"region": "westeurope", "instance_type": "B2s", "hostname": "vm1"},
        ),
        (
            "openstack_compute_instance_v2",
            {"id": "u", "flavor_name": "m1", "access_ip_v4": "10.2.0.9", "region": "RegionOne"},
            "CloudInstance",
            {"instance_type": "m1", "management_ip": "10.2.0.9", "cloud_provider": "openstack"},
        ),
        ("flexibleengine_networking_secgroup_v2", {"id": "u"}, "SecurityGroup", {}),
        ("huaweicloud_elb_loadbalancer", {"id": "u"}, "CloudLoadBalancer", {}),
        ("alicloud_instance", {"id": "i", "instance_name": "a"}, "CloudInstance", {"name": "a"}),
        ("tencentcloud_vpc", {"id": "vpc-t"}, "VPC", {"cloud_provider": "tencentcloud"}),
        ("aws_lambda_function", {"id": "f", "function_name": "f"}, "CloudFunction", {"name": "f"}),
        ("aws_nat_gateway", {"id": "nat-1"}, "CloudGateway", {}),
        ("aws_sqs_queue", {"id": "https://q"}, "CloudQueue", {"resource_id": "https://q"}),
        (
            "aws_secretsmanager_secret",
            {"id": "x", "arn": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf"},
            "CloudResource",
            {"resource_id": "db-AbCdEf", "resource_type": "aws_secretsmanager_secret"},
        ),
    ],
)
def test_each_kind_of_resource_becomes_its_record_type(
    tmp_path: Path, type_: str, attributes: dict[str, Any], record_type: str, expected: Any
) -> None:
    seen = observed(tmp_path, resource(type_, "it", instance(**attributes))).sound()
    assert seen.statements[0].subjects[0].type == record_type
    assert the(seen, f"{type_}.it").items() >= expected.items()


def test_a_part_of_another_resource_goes_by_its_type_and_id(tmp_path: Path) -> None:
    seen = observed(tmp_path, resource("aws_s3_bucket_policy", "p", instance(id="logs"))).sound()
    assert the(seen, "aws_s3_bucket_policy.p") == {
        "name": "aws_s3_bucket_policy.p",
        "resource_id": "aws_s3_bucket_policy/logs",
        "resource_type": "aws_s3_bucket_policy",
        "cloud_provider": "aws",
    }


@pytest.mark.parametrize(
    ("cloud", "zone", "region"),
    [
        ("aws", "us-east-1a", "us-east-1"),
        ("google", "us-central1-a", "us-central1"),
        ("alicloud", "cn-hangzhou-h", "cn-hangzhou"),
        ("alicloud", "ap-southeast-1a", "ap-southeast-1"),
        ("tencentcloud", "ap-guangzhou-3", "ap-guangzhou"),
        ("huaweicloud", "cn-north-4a", "cn-north-4"),
        ("openstack", "nova", None),
    ],
)
def test_a_zone_tells_its_region_where_the_cloud_names_them_so(
    cloud: str, zone: str, region: str | None
) -> None:
    assert region_of_zone(cloud, zone) == region


def test_a_name_in_the_dns_resolves_to_its_addresses(tmp_path: Path) -> None:
    seen = observed(
        tmp_path,
        resource(
            "aws_route53_record",
            "a",
            instance(
                0, id="1", fqdn="Web.example.com", type="A", records=["192.0.2.1", "192.0.2.2"]
            ),
            instance(
                1, id="2", fqdn="\\052.example.com", type="CNAME", records=["web.example.com."]
            ),
            instance(2, id="3", fqdn="t.example.com", type="TXT", records=["token-of-a-site"]),
        ),
        resource(
            "alicloud_alidns_record", "b", instance(id="4", rr="www", domain_name="x.cn", type="A")
        ),
    ).sound()
    assert sorted(links(seen, "RESOLVES_TO")) == [
        ("aws_route53_record.a[0]", "address/192.0.2.1"),
        ("aws_route53_record.a[0]", "address/192.0.2.2"),
        ("aws_route53_record.a[1]", "dns/web.example.com"),
    ]
    assert the(seen, "aws_route53_record.a[1]") == {
        "name": "*.example.com",
        "fqdn": "*.example.com",
    }
    assert the(seen, "alicloud_alidns_record.b")["fqdn"] == "www.x.cn"
    assert not any("token-of-a-site" in text for text in seen.texts())


def test_dependencies_become_links_and_data_sources_are_left_out(tmp_path: Path) -> None:
    seen = observed(
        tmp_path,
        resource("aws_vpc", "v", instance(id="vpc-1")),
        resource(
            "aws_subnet",
            "s",
            instance(
                "a", ["aws_vpc.v", "data.aws_ami.x", "module.gone", "aws_vpc.v"], id="subnet-1"
            ),
            instance('b"c', ["aws_vpc.v", "aws_vpc.absent"], id="subnet-2"),
        ),
        resource("aws_instance", "i", instance(id="i-1", depends=["aws_subnet.s"])),
        resource("aws_ami", "x", instance(id="ami-1"), mode="data"),
    ).sound()
    assert links(seen) == [
        ("aws_instance.i", 'aws_subnet.s["a"]'),
        ("aws_instance.i", 'aws_subnet.s["b\\"c"]'),
        ('aws_subnet.s["a"]', "aws_vpc.v"),
        ('aws_subnet.s["b\\"c"]', "aws_vpc.v"),
    ]
    assert len(seen.observations) == 4


def test_of_a_module_used_several_times_each_use_depends_on_its_own_resources(
    tmp_path: Path,
) -> None:
    own = [
        part
        for index in ("[0]", '["a.b"]')
        for part in (
            resource("aws_vpc", "v", instance(id=f"vpc-{index}"), module=f"module.n{index}"),
            resource(
                "aws_subnet",
                "s",
                instance(id=f"subnet-{index}", depends=["module.n.aws_vpc.v"]),
                module=f"module.n{index}.module.deep",
            ),
        )
    ]
    seen = observed(
        tmp_path, *own, resource("aws_eip", "e", instance(id="x", depends=["module.n.aws_vpc.v"]))
    ).sound()
    assert links(seen) == [
        ("aws_eip.e", 'module.n["a.b"].aws_vpc.v'),
        ("aws_eip.e", "module.n[0].aws_vpc.v"),
        ('module.n["a.b"].module.deep.aws_subnet.s', 'module.n["a.b"].aws_vpc.v'),
        ("module.n[0].module.deep.aws_subnet.s", "module.n[0].aws_vpc.v"),
    ]


def test_cycles_are_links_and_a_dependency_on_itself_is_rejected(tmp_path: Path) -> None:
    seen = observed(
        tmp_path,
        resource("aws_security_group", "a", instance(id="sg-1", depends=["aws_security_group.b"])),
        resource(
            "aws_security_group",
            "b",
            instance(id="sg-2", depends=["aws_security_group.a", "aws_security_group.b"]),
        ),
    )
    assert links(seen) == [
        ("aws_security_group.a", "aws_security_group.b"),
        ("aws_security_group.b", "aws_security_group.a"),
    ]
    assert seen.rejections == [Rejection("prod.tfstate aws_security_group.b", "depends on itself")]
    assert seen.unfit == []


def test_an_object_that_is_being_replaced_stays_apart_from_its_successor(tmp_path: Path) -> None:
    old = instance(id="i-old") | {"deposed": "a1b2c3d4"}
    seen = observed(
        tmp_path,
        resource("aws_instance", "i", instance(id="i-new"), old),
        resource("aws_eip", "e", instance(id="x", depends=["aws_instance.i"])),
    ).sound()
    assert the(seen, "aws_instance.i (deposed a1b2c3d4)")["resource_id"] == "i-old"
    assert links(seen) == [("aws_eip.e", "aws_instance.i")]


def test_version_3_is_read_with_its_modules_counts_and_flat_attributes(tmp_path: Path) -> None:
    content = {
        "version": 3,
        "terraform_version": "0.11.14",
        "lineage": LINEAGE,
        "modules": [
            {
                "path": ["root", "net"],
                "resources": {
                    "aws_subnet.s.0": {
                        "type": "aws_subnet",
                        "primary": {"id": "subnet-1", "attributes": {"cidr_block": "10.0.0.0/24"}},
                    },
                    "aws_subnet.s.1": {"type": "aws_subnet", "primary": {"id": "subnet-2"}},
                    "aws_instance.i": {
                        "type": "aws_instance",
                        "depends_on": ["aws_subnet.s.*", "data.aws_ami.a"],
                        "primary": {"id": "i-1", "attributes": {"tags.Name": "one"}},
                        "deposed": [{"id": "i-0"}],
                    },
                    "aws_eip.e": {
                        "type": "aws_eip",
                        "depends_on": ["aws_subnet.s.1"],
                        "primary": {"id": "eipalloc-1"},
                    },
                    "data.aws_ami.a": {"type": "aws_ami", "primary": {"id": "ami-1"}},
                },
            }
        ],
    }
    seen = Observed("terraform", written(tmp_path / STATE, content)).sound()
    assert the(seen, "module.net.aws_subnet.s[0]")["network"] == "10.0.0.0/24"
    assert the(seen, "module.net.aws_instance.i")["name"] == "one"
    assert links(seen) == [
        ("module.net.aws_eip.e", "module.net.aws_subnet.s[1]"),
        ("module.net.aws_instance.i", "module.net.aws_subnet.s[0]"),
        ("module.net.aws_instance.i", "module.net.aws_subnet.s[1]"),
        ("module.net.aws_instance.i (deposed 1)", "module.net.aws_subnet.s[0]"),
        ("module.net.aws_instance.i (deposed 1)", "module.net.aws_subnet.s[1]"),
    ]


def test_what_terraform_show_prints_is_read_too(tmp_path: Path) -> None:
    content = {
        "format_version": "1.0",
        "terraform_version": "1.9.0",
        "values": {
            "outputs": {"secret": {"sensitive": True, "value": "hunter2"}},
            "root_module": {
                "resources": [
                    {"address": "aws_vpc.v", "mode": "managed", "values": {"id": "vpc-1"}},
                    {"address": "data.aws_ami.a", "mode": "data", "values": {"id": "ami-1"}},
                ],
                "child_modules": [
                    {
                        "address": "module.m[0]",
                        "resources": [
                            {
                                "address": "module.m[0].aws_subnet.s[1]",
                                "mode": "managed",
                                "values": {"id": "subnet-1"},
                                "depends_on": ["aws_vpc.v"],
                            }
                        ],
                    }
                ],
            },
        },
    }
    seen = Observed("terraform", written(tmp_path / "show.json", content)).sound()
    assert [statement.key for statement in seen.statements] == [
        "show.json:aws_vpc.v",
        "show.json:module.m[0].aws_subnet.s[1]",
    ]
    [claim] = seen.claims("DEPENDS_ON")
    assert claim.target.key == "show.json:aws_vpc.v"


def test_the_same_address_in_two_states_is_two_resources(tmp_path: Path) -> None:
    for name in ("a", "b"):
        vpc = resource("aws_vpc", "v", instance(id=f"vpc-{name}"))
        subnet = resource("aws_subnet", "s", instance(id=f"subnet-{name}", depends=["aws_vpc.v"]))
        written(tmp_path / name / "terraform.tfstate", state(vpc, subnet))
    seen = Observed("terraform", tmp_path).sound()
    assert len(seen.statements) == 4
    for claim in seen.claims("DEPENDS_ON"):
        assert claim.source.key.partition("/")[0] == claim.target.key.partition("/")[0]


def test_an_empty_state_is_a_state(tmp_path: Path) -> None:
    assert observed(tmp_path).sound().observations == []


SECRETS = [f"PLANTED-{n}" for n in range(40)]


def planted() -> dict[str, Any]:
    """A state with a secret wherever states have them."""
    rest = iter(SECRETS)
    compute = {
        "user_data": next(rest),
        "user_data_base64": next(rest),
        "password_data": next(rest),
        "metadata": {"ssh-keys": next(rest)},
        "metadata_startup_script": next(rest),
        "admin_password": next(rest),
        "connection": [{"private_key": next(rest)}],
        "tags": {"Name": "web", "token": next(rest)},
        "private": next(rest),
        "custom_data": next(rest),
        "environment": [{"variables": {"DB_PASSWORD": next(rest)}}],
    }
    database = {
        "password": next(rest),
        "master_password": next(rest),
        "administrator_login_password": next(rest),
        "root_password": next(rest),
        "primary_access_key": next(rest),
        "connection_string": next(rest),
        "username": next(rest),
    }
    return state(
        resource("aws_instance", "i", instance(id="i-1", **compute) | {"private": next(rest)}),
        resource("aws_db_instance", "d", instance(id="d", engine="mysql", **database)),
        resource("aws_lambda_function", "f", instance(id="f", **compute)),
        resource("random_password", "p", instance(id="none", result=next(rest))),
        resource("random_string", "s", instance(id=(first := next(rest)), result=first)),
        resource("random_id", "r", instance(id=next(rest), hex=next(rest), name=next(rest))),
        resource("tls_private_key", "k", instance(id=next(rest), private_key_pem=next(rest))),
        resource("aws_iam_access_key", "a", instance(id=next(rest), secret=next(rest))),
        resource("local_sensitive_file", "l", instance(id=next(rest), content=next(rest))),
        resource("vault_token", "t", instance(id=next(rest), client_token=next(rest))),
        resource(
            "aws_ssm_parameter", "q", instance(id="q", value=next(rest), description=next(rest))
        ),
        resource(
            "aws_secretsmanager_secret_version", "v", instance(id="v", secret_string=next(rest))
        ),
        outputs={"o": {"value": next(rest), "type": "string", "sensitive": True}},
        check_results=[next(rest)],
    )


def test_no_secret_of_a_state_is_taken(tmp_path: Path) -> None:
    content = planted()
    assert json.dumps(content).count("PLANTED-") > 30
    seen = Observed("terraform", written(tmp_path / STATE, content)).sound()
    assert len(seen.statements) == 12
    assert [text for text in seen.texts() if "PLANTED" in text] == []
    assert not any("PLANTED" in repr(observation) for observation in seen.observations)


def test_of_resources_that_are_secrets_only_their_place_is_told(tmp_path: Path) -> None:
    seen = observed(
        tmp_path, resource("random_string", "s", instance(id="x1y2", result="x1y2"))
    ).sound()
    assert the(seen, "random_string.s") == {
        "name": "random_string.s",
        "cloud_provider": "random",
        "resource_type": "random_string",
    }
    assert is_secretive("aws_iam_access_key")
    assert not is_secretive("aws_instance")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[]", "is no Terraform state"),
        ("null", "is no Terraform state"),
        ('{"Vpcs": []}', "is no Terraform state"),
        ('{"version": 4}', "has no list of resources"),
        ('{"version": 3, "resources": []}', "has no list of modules"),
        ('{"version": 2, "terraform_version": "0.6"}', "is a state of version 2"),
        ('{"format_version": "1.0", "planned_values": {}}', "is a plan"),
        ('{"encrypted_data": "x", "version": 4}', "is an encrypted state"),
        ("[" * 5000, "nested too deep|depth limit exceeded"),
    ],
)
def test_what_is_no_state_is_refused_with_a_sentence(
    tmp_path: Path, content: str, problem: str
) -> None:
    with pytest.raises(SourceError, match=problem):
        Observed("terraform", written(tmp_path / STATE, content))


def test_a_resource_without_an_id_is_rejected_and_the_others_are_taken(tmp_path: Path) -> None:
    seen = observed(
        tmp_path,
        resource("aws_db_instance", "none", instance()),
        resource("aws_vpc", "v", instance(id="vpc-1"), instance(id="vpc-2")),
        resource("", "nameless", instance(id="x")),
    )
    assert seen.rejections == [
        Rejection("prod.tfstate resource 3", "has no type, name or instances"),
        Rejection("prod.tfstate aws_db_instance.none", "has no id"),
        Rejection("prod.tfstate aws_vpc.v", "has the address of another resource"),
    ]
    assert [statement.key for statement in seen.statements] == [f"{WORLD}:aws_vpc.v"]


VERSION_3 = {
    "version": 3,
    "modules": [
        {
            "path": ["root", "m"],
            "resources": {
                "aws_vpc.v.0": {
                    "type": "aws_vpc",
                    "depends_on": ["aws_vpc.w"],
                    "primary": {"id": "vpc-1", "attributes": {"cidr_block": "10.0.0.0/8"}},
                    "deposed": [{"id": "vpc-0"}],
                }
            },
        }
    ],
}
VERSION_4 = state(
    resource(
        "aws_instance",
        "i",
        instance("k", ["aws_vpc.v"], id="i-1", tags={"Name": "n"}, public_ip="192.0.2.1", size=3),
        module="module.a[0]",
    ),
    resource(
        "aws_route53_record", "r", instance(id="r", type="A", name="n", records=["192.0.2.1"])
    ),
)
SHOWN = {
    "format_version": "1.0",
    "values": {
        "root_module": {
            "resources": [{"address": "aws_vpc.v", "mode": "managed", "values": {"id": "v"}}],
            "child_modules": [
                {"resources": [{"address": "module.m.aws_vpc.v", "depends_on": [""]}]}
            ],
        }
    },
}


@pytest.mark.parametrize("content", [VERSION_3, VERSION_4, SHOWN])
def test_mutilated_states_never_stop_it_with_anything_but_a_source_error(
    tmp_path: Path, content: dict[str, Any]
) -> None:
    borne = Counter(
        all_borne(Terraform(Options()), documents([str(written(tmp_path / STATE, broken))]))
        for broken in mutilated(content)
    )
    assert borne[True] > 50
    assert borne[False] > 5


# The sample states


def read(path: Path) -> list[Resource]:
    """The managed resources of a state, as they are read."""
    [document] = documents([str(path)])
    found = list(resources(document, document.json()))
    assert not any(isinstance(item, Rejection) for item in found)
    return [item for item in found if isinstance(item, Resource)]


def counted(path: Path) -> tuple[int, int, int, int]:
    """Managed resources, their instances, dependency entries as written, links given."""
    found = read(path)
    seen = Observed("terraform", path).sound()
    assert len(seen.statements) == len(found)
    named = {item.address._replace(instance="") for item in found}
    entries = sum(len(item.dependencies) for item in found)
    return len(named), len(found), entries, len(seen.claims("DEPENDS_ON"))


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "managed", "instances", "entries", "links_given"),
    [
        # Fewer links than entries: some name resources that are not in the state.
        # More: an entry names a resource with several instances, each of which is meant.
        ("aws_state_cyclic.json", 19, 19, 20, 20),
        ("aws_state_multiple_hanging_edges.json", 16, 16, 21, 18),
        ("aws_state_sg.json", 7, 7, 5, 5),
        ("aws_state_sgr.json", 9, 9, 9, 9),
        ("aws_state_with_count.json", 2, 3, 1, 2),
        ("azure.tfstate", 5, 5, 19, 4),
        ("flexibleengine_state.json", 8, 9, 8, 10),
        ("flexibleengine_state_attach.json", 9, 9, 8, 8),
        ("flexibleengine_state_tf_011.json", 7, 7, 6, 6),
        ("google_state.json", 4, 4, 0, 0),
        ("multi_module_state.json", 3, 3, 2, 2),
        ("openstack_state_lb.json", 12, 12, 11, 11),
        ("openstack_state_sg.json", 7, 7, 6, 6),
        ("repeated_modules.json", 16, 16, 70, 13),
        ("version_3_state.json", 12, 12, 13, 13),
    ],
)
def test_the_inframap_states_have_the_resources_and_dependencies_they_are_known_to_have(
    name: str, managed: int, instances: int, entries: int, links_given: int
) -> None:
    path = shared_data("tf-inframap") / name
    assert counted(path) == (managed, instances, entries, links_given)


@pytest.mark.shared_data
def test_every_inframap_state_is_accounted_for() -> None:
    files = [p for p in shared_data("tf-inframap").iterdir() if p.suffix in (".json", ".tfstate")]
    assert len(files) == 18  # fifteen above, three below


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "problem"),
    [("empty.json", "has no list of modules"), ("invalid_version_state.json", "version 2")],
)
def test_bad_inframap_states_are_refused(name: str, problem: str) -> None:
    with pytest.raises(SourceError, match=problem):
        Observed("terraform", shared_data("tf-inframap") / name)


@pytest.mark.shared_data
def test_the_inframap_resource_without_an_id_is_rejected() -> None:
    seen = Observed("terraform", shared_data("tf-inframap") / "error_missing_id.json")
    assert seen.observations == []
    assert [(r.place, r.reason) for r in seen.rejections] == [
        ("error_missing_id.json aws_db_instance.mydb", "has no id")
    ]


@pytest.mark.shared_data
def test_the_cyclic_state_really_holds_groups_that_rules_join() -> None:
    seen = Observed("terraform", shared_data("tf-inframap") / "aws_state_cyclic.json").sound()
    types = Counter(statement.subjects[0].type for statement in seen.statements)
    assert types == {"CloudInstance": 2, "SecurityGroup": 4, "CloudResource": 13}


def data_sources(path: Path) -> int:
    """Data sources with something in them, counted apart from the importer."""
    content = json.loads(path.read_text())
    return sum(len(r["instances"]) for r in content["resources"] if r["mode"] == "data")


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("folder", "managed", "instances", "data", "links_given"),
    [
        ("aws_lb_listener", 6, 6, 1, 6),
        ("aws_route53_record_multiples", 4, 11, 0, 18),
        ("aws_subnet", 6, 6, 0, 0),
        ("aws_vpc_security_group_rule", 11, 11, 0, 0),
        ("aws_lambda_function", 2, 2, 0, 0),
        ("azurerm_network_security_group", 3, 3, 1, 2),
        ("google_compute_instance", 1, 1, 0, 0),
        ("google_sql_database_instance", 1, 1, 0, 0),
    ],
)
def test_the_driftctl_states_have_the_resources_they_are_known_to_have(
    folder: str, managed: int, instances: int, data: int, links_given: int
) -> None:
    path = shared_data("tf-driftctl") / folder / "terraform.tfstate"
    found = counted(path)
    assert (found[0], found[1], data_sources(path), found[3]) == (
        managed,
        instances,
        data,
        links_given,
    )


@pytest.mark.shared_data
def test_the_driftctl_states_together_stay_apart() -> None:
    seen = Observed("terraform", shared_data("tf-driftctl")).sound()
    assert len(seen.statements) == 6 + 11 + 6 + 11 + 2 + 3 + 1 + 1
    types = Counter(statement.subjects[0].type for statement in seen.statements)
    assert types == {
        "CloudGateway": 1,
        "CloudLoadBalancer": 1,
        "SecurityGroup": 3,
        "CloudSubnet": 7,
        "DomainName": 9,
        "CloudFunction": 2,
        "CloudInstance": 1,
        "CloudDatabase": 1,
        "CloudResource": 16,
    }
    assert {s.attributes["fqdn"] for s in seen.subjects("DomainName")} == {
        "foo-0.com",
        *(f"test{n}.foo-{zone}.com" for n in range(4) for zone in range(2)),
    }
