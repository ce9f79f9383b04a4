"""AWS answers: what is taken of them, how they hang together, and that nothing secret is taken."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cmdb.errors import SourceError
from cmdb.reconciliation.observations import Observation, Ref, Rejection
from importers.aws import Aws
from importers.aws.listing import entries
from importers.aws.resources import LISTINGS
from importers.cloud import aws_id, aws_region
from importers.contract import Options
from importers.reading import documents
from tests.support.mutilating import all_borne, mutilated
from tests.support.observing import Observed, shared_data, shipped_model, written

ACCOUNT = "111122223333"
ARN = f"arn:aws:{{}}:eu-west-1:{ACCOUNT}:{{}}"


def folder_of(folder: Path, answers: dict[str, Any]) -> Path:
    """A folder of answers, by their names."""
    for name, content in answers.items():
        written(folder / name, content)
    return folder


def collected(folder: Path, **answers: Any) -> Observed:
    """Answers as CloudMapper collects them: ``ec2_describe_vpcs`` is a file of eu-west-1."""
    named = {f"eu-west-1/{name.replace('_', '-')}.json": value for name, value in answers.items()}
    named.setdefault("eu-west-1/sts-get-caller-identity.json", {"Account": ACCOUNT, "Arn": "x"})
    return Observed("aws", folder_of(folder, named))


def reservation(*instances: dict[str, Any]) -> dict[str, Any]:
    return {"Reservations": [{"OwnerId": ACCOUNT, "Instances": list(instances)}]}


INSTANCE: dict[str, Any] = {
    "InstanceId": "i-0aa",
    "InstanceType": "t3.micro",
    "PrivateIpAddress": "10.0.0.5",
    "PrivateDnsName": "ip-10-0-0-5.eu-west-1.compute.internal",
    "PublicIpAddress": "198.51.100.7",
    "State": {"Code": 16, "Name": "running"},
    "Placement": {"AvailabilityZone": "eu-west-1b"},
    "SubnetId": "subnet-1",
    "VpcId": "vpc-1",
    "SecurityGroups": [{"GroupId": "sg-1", "GroupName": "web"}],
    "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeId": "vol-1"}}],
    "NetworkInterfaces": [
        {"MacAddress": "12:19:15:E4:09:3B", "Groups": [{"GroupId": "sg-1"}]},
        {"MacAddress": "00:00:00:00:00:00"},
    ],
    "Tags": [{"Key": "env", "Value": "x"}, {"Key": "Name", "Value": "web 1"}],
}


def test_every_listing_is_of_a_record_type_of_the_model() -> None:
    types = shipped_model().record_types
    for listing in LISTINGS:
        assert listing.attributes.keys() <= {*types[listing.type].attributes, "lifecycle_state"}
        assert (listing.type == "CloudResource") == bool(listing.kind)
        for _, type_, _ in listing.links:
            assert type_ in types


def test_an_instance_is_in_its_subnet_behind_its_groups_with_its_volumes(tmp_path: Path) -> None:
    seen = collected(
        tmp_path,
        ec2_describe_instances=reservation(INSTANCE),
        ec2_describe_subnets={
            "Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1", "CidrBlock": "10.0.0.0/24"}]
        },
        ec2_describe_volumes={
            "Volumes": [{"VolumeId": "vol-1", "Size": 8, "Attachments": [{"InstanceId": "i-0aa"}]}]
        },
    ).sound()
    assert seen.values("i-0aa") == {
        "name": "web 1",
        "resource_id": "i-0aa",
        "cloud_provider": "aws",
        "region": "eu-west-1",
        "instance_type": "t3.micro",
        "management_ip": "10.0.0.5",
        "mac_addresses": ["12:19:15:e4:09:3b"],
    }
    assert seen.values("vol-1")["capacity_gib"] == 8
    assert seen.values("subnet-1")["network"] == "10.0.0.0/24"
    assert seen.ends("IN_NETWORK") == [("i-0aa", "subnet-1"), ("subnet-1", "vpc-1")]
    assert seen.ends("PROTECTED_BY") == [("i-0aa", "sg-1")]
    assert seen.ends("ATTACHED_TO") == [("i-0aa", "vol-1")]
    assert seen.ends("HAS_ADDRESS") == [("i-0aa", "address/198.51.100.7")]
    assert seen.ends("BELONGS_TO_ACCOUNT") == [
        (key, f"account/{ACCOUNT}") for key in ("i-0aa", "subnet-1", "vol-1")
    ]
    assert seen.values(f"account/{ACCOUNT}")["resource_id"] == ACCOUNT


def test_what_has_an_answer_is_referred_to_and_the_rest_is_mentioned(tmp_path: Path) -> None:
    seen = collected(
        tmp_path,
        ec2_describe_instances=reservation(INSTANCE),
        ec2_describe_subnets={"Subnets": [{"SubnetId": "subnet-1"}]},
    ).sound()
    [observation] = [o for o in seen.observations if o.key == "i-0aa"]
    ends = {link.name: link.to for link in observation.links}
    assert ends["IN_NETWORK"] == Ref("subnet-1")
    assert ends["BELONGS_TO_ACCOUNT"] == Ref(f"account/{ACCOUNT}")
    assert ends["PROTECTED_BY"] == Observation(
        "SecurityGroup",
        "sg-1",
        {"resource_id": "sg-1", "cloud_provider": "aws", "region": "eu-west-1"},
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ip-10-0-0-5.eu-west-1.compute.internal", {}),
        (
            "i-0aa.eu-west-1.compute.internal",
            {"hostname": "i-0aa", "domain": "eu-west-1.compute.internal"},
        ),
        ("", {}),
    ],
)
def test_a_host_name_that_only_repeats_the_address_is_not_taken(
    tmp_path: Path, name: str, expected: dict[str, str]
) -> None:
    one = INSTANCE | {"PrivateDnsName": name}
    seen = collected(tmp_path, ec2_describe_instances=reservation(one)).sound()
    taken = {k: v for k, v in seen.values("i-0aa").items() if k in ("hostname", "domain")}
    assert taken == expected


def test_an_instance_that_is_terminated_is_retired(tmp_path: Path) -> None:
    gone = {"InstanceId": "i-0bb", "State": {"Name": "terminated"}}
    seen = collected(tmp_path, ec2_describe_instances=reservation(INSTANCE, gone)).sound()
    assert seen.values("i-0bb")["lifecycle_state"] == "retired"
    assert "lifecycle_state" not in seen.values("i-0aa")


def test_load_balancers_select_their_targets(tmp_path: Path) -> None:
    balancer = ARN.format("elasticloadbalancing", "loadbalancer/app/new/1")
    group = ARN.format("elasticloadbalancing", "targetgroup/g/2")
    function = ARN.format("lambda", "function:f")
    targets = [{"Target": {"Id": target}} for target in ("i-0aa", "10.0.0.9", function)]
    folder_of(
        tmp_path,
        {
            "eu-west-1/elbv2-describe-target-health/"
            + group.replace(":", "%3A").replace("/", "%2F"): {"TargetHealthDescriptions": targets}
        },
    )
    seen = collected(
        tmp_path,
        elb_describe_load_balancers={
            "LoadBalancerDescriptions": [
                {
                    "LoadBalancerName": "old",
                    "Instances": [{"InstanceId": "i-0aa"}],
                    "Subnets": ["subnet-1"],
                }
            ]
        },
        elbv2_describe_load_balancers={
            "LoadBalancers": [{"LoadBalancerArn": balancer, "LoadBalancerName": "new"}]
        },
        elbv2_describe_target_groups={
            "TargetGroups": [
                {"TargetGroupArn": group, "TargetGroupName": "g", "LoadBalancerArns": [balancer]}
            ]
        },
    ).sound()
    old = ARN.format("elasticloadbalancing", "loadbalancer/old")
    assert seen.ends("SELECTS") == [(balancer, function), (balancer, "i-0aa"), (old, "i-0aa")]
    assert seen.ends("DEPENDS_ON") == [(balancer, group)]
    assert seen.values(old)["name"] == "old"


def test_a_route_table_leads_from_its_subnets_to_its_gateways(tmp_path: Path) -> None:
    seen = collected(
        tmp_path,
        ec2_describe_route_tables={
            "RouteTables": [
                {
                    "RouteTableId": "rtb-1",
                    "VpcId": "vpc-1",
                    "Associations": [{"Main": True}, {"SubnetId": "subnet-1"}],
                    "Routes": [
                        {"GatewayId": "local"},
                        {"GatewayId": "igw-1"},
                        {"GatewayId": "vpce-1"},
                        {"NatGatewayId": "nat-1"},
                    ],
                }
            ]
        },
        ec2_describe_nat_gateways={
            "NatGateways": [
                {
                    "NatGatewayId": "nat-1",
                    "SubnetId": "subnet-2",
                    "NatGatewayAddresses": [{"PublicIp": "192.0.2.3"}],
                }
            ]
        },
        ec2_describe_internet_gateways={
            "InternetGateways": [
                {"InternetGatewayId": "igw-1", "Attachments": [{"VpcId": "vpc-1"}]}
            ]
        },
    ).sound()
    assert seen.ends("DEPENDS_ON") == [
        ("rtb-1", "igw-1"),
        ("rtb-1", "nat-1"),
        ("subnet-1", "rtb-1"),
    ]
    assert seen.ends("IN_NETWORK") == [
        ("igw-1", "vpc-1"),
        ("nat-1", "subnet-2"),
        ("rtb-1", "vpc-1"),
    ]
    assert seen.values("rtb-1")["resource_type"] == "aws_route_table"


def test_databases_functions_clusters_queues_and_the_rest_have_their_arns(tmp_path: Path) -> None:
    seen = collected(
        tmp_path,
        rds_describe_db_instances={
            "DBInstances": [
                {
                    "DBInstanceIdentifier": "copy",
                    "DBInstanceArn": ARN.format("rds", "db:copy"),
                    "Engine": "mysql",
                    "EngineVersion": "8.0.36",
                    "ReadReplicaSourceDBInstanceIdentifier": "first",
                }
            ]
        },
        redshift_describe_clusters={
            "Clusters": [{"ClusterIdentifier": "r", "ClusterVersion": "1.0"}]
        },
        dynamodb_list_tables={"TableNames": ["t"]},
        lambda_list_functions={
            "Functions": [
                {
                    "FunctionName": "f",
                    "FunctionArn": ARN.format("lambda", "function:f"),
                    "VpcConfig": {"SubnetIds": ["subnet-1"]},
                }
            ]
        },
        ecs_list_clusters={"clusterArns": [ARN.format("ecs", "cluster/c")]},
        eks_list_clusters={"clusters": ["k"]},
        kafka_list_clusters={
            "ClusterInfoList": [
                {"ClusterName": "m", "ClusterArn": ARN.format("kafka", "cluster/m/u-1")}
            ]
        },
        sns_list_topics={"Topics": [{"TopicArn": ARN.format("sns", "topic")}]},
        sqs_list_queues={
            "QueueUrls": [
                f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/q1",
                f"https://queue.amazonaws.com/{ACCOUNT}/q2",
            ]
        },
        secretsmanager_list_secrets={
            "SecretList": [{"Name": "db", "ARN": ARN.format("secretsmanager", "secret:db-AbCdEf")}]
        },
        ecr_describe_repositories={
            "repositories": [
                {"repositoryName": "app", "repositoryArn": ARN.format("ecr", "repository/app")}
            ]
        },
    ).sound()
    found = {
        s.subjects[0].attributes["resource_id"]: (
            s.subjects[0].type,
            s.subjects[0].attributes["name"],
        )
        for s in seen.statements
    }
    assert found == {
        ACCOUNT: ("CloudAccount", ACCOUNT),
        ARN.format("rds", "db:copy"): ("CloudDatabase", "copy"),
        ARN.format("redshift", "cluster:r"): ("CloudDatabase", "r"),
        ARN.format("dynamodb", "table/t"): ("CloudDatabase", "t"),
        ARN.format("lambda", "function:f"): ("CloudFunction", "f"),
        ARN.format("ecs", "cluster/c"): ("CloudCluster", "c"),
        ARN.format("eks", "cluster/k"): ("CloudCluster", "k"),
        ARN.format("kafka", "cluster/m/u-1"): ("CloudCluster", "m"),
        ARN.format("sns", "topic"): ("CloudQueue", "topic"),
        f"arn:aws:sqs:us-east-1:{ACCOUNT}:q1": ("CloudQueue", "q1"),
        ARN.format("sqs", "q2"): ("CloudQueue", "q2"),
        "db-AbCdEf": ("CloudResource", "db"),
        ARN.format("ecr", "repository/app"): ("CloudResource", "app"),
    }
    assert seen.ends("REPLICATES_TO") == [
        (ARN.format("rds", "db:first"), ARN.format("rds", "db:copy"))
    ]
    assert seen.values(ARN.format("rds", "db:copy"))["version"] == "8.0.36"
    assert seen.values(ARN.format("redshift", "cluster:r"))["engine"] == "redshift"


def test_what_one_answer_names_and_another_describes_is_given_once_as_described(
    tmp_path: Path,
) -> None:
    table = ARN.format("dynamodb", "table/t")
    folder_of(
        tmp_path,
        {"eu-west-1/dynamodb-describe-table/t": {"Table": {"TableName": "T", "TableArn": table}}},
    )
    seen = collected(tmp_path, dynamodb_list_tables={"TableNames": ["t"]}).sound()
    assert seen.values(table)["name"] == "T"


def test_a_bucket_is_in_its_own_region_not_in_that_of_the_answer(tmp_path: Path) -> None:
    folder_of(
        tmp_path,
        {
            "us-east-1/s3-list-buckets.json": {"Buckets": [{"Name": n} for n in ("a", "b", "c")]},
            "us-east-1/s3-get-bucket-location/a": {"LocationConstraint": "eu-west-1"},
            "us-east-1/s3-get-bucket-location/b": {"LocationConstraint": None},
        },
    )
    seen = Observed("aws", tmp_path).sound()
    regions = {s.key: s.subjects[0].attributes.get("region") for s in seen.statements}
    assert regions == {"bucket/a": "eu-west-1", "bucket/b": "us-east-1", "bucket/c": None}


def test_several_accounts_in_a_folder_stay_apart(tmp_path: Path) -> None:
    for folder, account in (("prod", "111111111111"), ("test", "222222222222")):
        folder_of(
            tmp_path,
            {
                f"{folder}/eu-west-1/sts-get-caller-identity.json": {"Account": account},
                f"{folder}/eu-west-1/elb-describe-load-balancers.json": {
                    "LoadBalancerDescriptions": [{"LoadBalancerName": "lb"}]
                },
            },
        )
    seen = Observed("aws", tmp_path).sound()
    assert seen.ends("BELONGS_TO_ACCOUNT") == [
        (f"arn:aws:elasticloadbalancing:eu-west-1:{a * 12}:loadbalancer/lb", f"account/{a * 12}")
        for a in "12"
    ]


def test_recorded_and_unnamed_answers_are_recognised_too(tmp_path: Path) -> None:
    recorded = {
        "status_code": 200,
        "data": {"Vpcs": [{"VpcId": "vpc-1"}], "ResponseMetadata": {}},
    }
    failed = {"status_code": 400, "data": {"Error": {"Code": "AccessDenied", "Message": "x"}}}
    seen = Observed(
        "aws",
        folder_of(
            tmp_path,
            {
                "t/ec2.DescribeVpcs_1.json": recorded,
                "t/ec2.DescribeSubnets_1.json": failed,
                "t/iam.ListUsers_1.json": {
                    "status_code": 200,
                    "data": {"Users": [{"UserName": "u"}]},
                },
                "t/plain.json": {"Clusters": [{"ClusterIdentifier": "r"}]},
                "describe-regions.json": {"Regions": []},
                "LICENSE": "no JSON at all",
            },
        ),
    )
    assert sorted(s.key for s in seen.statements) == ["redshift:cluster:r of t/", "vpc-1"]
    assert seen.rejections == [
        Rejection("t/ec2.DescribeSubnets_1.json", "is the record of a call that failed")
    ]
    assert seen.unfit == []


def test_an_entry_that_cannot_be_used_is_rejected_and_the_others_are_taken(tmp_path: Path) -> None:
    seen = collected(
        tmp_path,
        ec2_describe_vpcs={"Vpcs": [{"VpcId": "vpc-1"}, {"CidrBlock": "10.0.0.0/8"}, "vpc-2", 7]},
        dynamodb_list_tables={"TableNames": [{"a": 1}, "t"]},
        rds_describe_db_instances={
            "DBInstances": [
                {
                    "DBInstanceArn": ARN.format("rds", "db:d"),
                    "ReadReplicaSourceDBInstanceIdentifier": "d",
                }
            ]
        },
    )
    assert sorted((r.place.rpartition("/")[2], r.reason) for r in seen.rejections) == [
        ("dynamodb-list-tables.json entry 1", "has no text"),
        ("ec2-describe-vpcs.json entry 2", "has no VpcId"),
        ("ec2-describe-vpcs.json entry 3", "has no VpcId"),
        ("ec2-describe-vpcs.json entry 4", "has no VpcId"),
        ("rds-describe-db-instances.json entry 1", "is linked to itself (REPLICATED_FROM)"),
    ]
    assert seen.unfit == []
    assert len(seen.statements) == 4  # account, VPC, table, database


@pytest.mark.parametrize(
    ("text", "id_"),
    [
        ("arn:aws:ec2:eu-west-1:111122223333:instance/i-0aa", "i-0aa"),
        ("arn:aws-cn:s3:::logs", "logs"),
        ("arn:aws:rds:eu-west-1:111122223333:db:d", "arn:aws:rds:eu-west-1:111122223333:db:d"),
        ("vpc-1", "vpc-1"),
    ],
)
def test_a_resource_goes_by_the_same_id_whoever_names_it(text: str, id_: str) -> None:
    assert aws_id(text) == id_


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("us-east-1a", "us-east-1"),
        ("us-gov-west-1", "us-gov-west-1"),
        ("us-west-2-lax-1a", "us-west-2"),
        ("global", None),
        (None, None),
    ],
)
def test_a_zone_tells_its_region(text: Any, region: str | None) -> None:
    assert aws_region(text) == region


def test_no_secret_of_an_answer_is_taken(tmp_path: Path) -> None:
    secret = "PLANTED"
    instance = INSTANCE | {
        "UserData": secret,
        "KeyName": secret,
        "Tags": [{"Key": "password", "Value": secret}, {"Key": "Name", "Value": "web 1"}],
    }
    seen = collected(
        tmp_path,
        ec2_describe_instances=reservation(instance),
        lambda_list_functions={
            "Functions": [
                {
                    "FunctionArn": ARN.format("lambda", "function:f"),
                    "Environment": {"Variables": {"DB_PASSWORD": secret}},
                    "Description": secret,
                }
            ]
        },
        rds_describe_db_instances={
            "DBInstances": [
                {
                    "DBInstanceArn": ARN.format("rds", "db:d"),
                    "MasterUserPassword": secret,
                    "PendingModifiedValues": {"MasterUserPassword": secret},
                    "MasterUsername": secret,
                }
            ]
        },
        secretsmanager_list_secrets={
            "SecretList": [
                {
                    "ARN": ARN.format("secretsmanager", "secret:s-1"),
                    "SecretString": secret,
                    "Description": secret,
                }
            ]
        },
        secretsmanager_get_secret_value={"ARN": "x", "SecretString": secret},
        redshift_describe_clusters={
            "Clusters": [{"ClusterIdentifier": "r", "ClusterPublicKey": secret}]
        },
        ec2_describe_instance_attribute={"InstanceId": "i-0aa", "UserData": {"Value": secret}},
        iam_list_access_keys={"AccessKeyMetadata": [{"AccessKeyId": secret}]},
    ).sound()
    assert len(seen.statements) == 6
    assert [text for text in seen.texts() if secret in text] == []
    assert not any(secret in repr(observation) for observation in seen.observations)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("ec2-describe-vpcs.json", "", "is not JSON"),
        ("ec2-describe-vpcs.json", '{"Vpcs": [', "is not JSON"),
        ("ec2-describe-vpcs.json", "[]", "is no AWS answer"),
        ("LICENSE", "text", "holds no AWS answer"),
        ("iam-list-users.json", "{}", "holds no AWS answer"),
        ("anything.json", "[" * 5000, "nested too deep|depth limit exceeded"),
    ],
)
def test_what_is_no_aws_answer_is_refused_with_a_sentence(
    tmp_path: Path, name: str, content: str, problem: str
) -> None:
    with pytest.raises(SourceError, match=problem):
        Observed("aws", folder_of(tmp_path, {name: content}))


def test_another_tool_s_json_is_rejected(tmp_path: Path) -> None:
    seen = Observed("aws", folder_of(tmp_path, {"terraform.json": {"version": 4, "resources": []}}))
    assert seen.rejections == [Rejection("terraform.json", "holds no AWS answer that is read")]
    assert seen.observations == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("eu-west-1/ec2-describe-instances.json", reservation(INSTANCE)),
        ("any.json", reservation(INSTANCE)),
        ("ec2.DescribeVpcs_1.json", {"status_code": 200, "data": {"Vpcs": [{"VpcId": "v"}]}}),
        ("sqs-list-queues.json", {"QueueUrls": ["https://[x/111122223333/q"]}),
        ("s3-get-bucket-location/b", {"LocationConstraint": "eu-west-1"}),
        (
            "elbv2-describe-target-health/g",
            {"TargetHealthDescriptions": [{"Target": {"Id": "i-1", "Port": 80}}]},
        ),
        (
            "elb-describe-load-balancers.json",
            {"LoadBalancerDescriptions": [{"LoadBalancerName": "a"}]},
        ),
        ("sts-get-caller-identity.json", {"Account": ACCOUNT}),
    ],
)
def test_mutilated_answers_never_stop_it_with_anything_but_a_source_error(
    tmp_path: Path, name: str, content: dict[str, Any]
) -> None:
    borne = {
        all_borne(Aws(Options()), documents([str(folder_of(tmp_path, {name: broken}))]))
        for broken in mutilated(content)
    }
    assert borne == {True, False}


# The sample answers


def raw(path: Path, entry: str) -> int:
    """Entries of an answer, counted as the importer goes through them."""
    content = json.loads(path.read_text())
    return sum(1 for found, _ in entries(content.get("data", content), entry) if found is not None)


@pytest.mark.shared_data
def test_the_cloudmapper_account_has_what_it_is_known_to_have() -> None:
    seen = Observed("aws", shared_data("aws-cloudmapper-demo")).sound()
    types = Counter(
        (s.subjects[0].type, s.subjects[0].attributes.get("resource_type")) for s in seen.statements
    )
    assert types == {
        ("CloudAccount", None): 1,
        ("CloudInstance", None): 3,
        ("VPC", None): 1,
        ("CloudSubnet", None): 4,
        ("SecurityGroup", None): 8,
        ("CloudResource", "aws_network_interface"): 1,
        ("CloudLoadBalancer", None): 2,  # 1 ELB, 1 ELBv2
        ("CloudDatabase", None): 2,  # 1 RDS, 1 Redshift
        ("CloudFunction", None): 1,
        ("CloudCluster", None): 2,  # 1 MSK, 1 ECS
        ("CloudEndpoint", None): 2,
        ("Bucket", None): 1,
        ("CloudQueue", None): 3,  # 2 SNS, 1 SQS
        ("CloudResource", "aws_ecr_repository"): 1,
        ("CloudResource", "aws_secretsmanager_secret"): 1,
        # Not in the list of what the sample holds, but there.
        ("CloudResource", "aws_opensearch_domain"): 1,
    }
    services = Counter(
        key.split(":")[2] for s in seen.statements if (key := s.key).startswith("arn:")
    )
    assert services == {
        "rds": 1, "redshift": 1, "kafka": 1, "ecs": 1, "sns": 2, "sqs": 1, "ecr": 1,
        "lambda": 1, "es": 1, "elasticloadbalancing": 2,
    }  # fmt: skip
    instances = shared_data("aws-cloudmapper-demo") / "us-east-1" / "ec2-describe-instances.json"
    assert raw(instances, "Reservations") == 1
    assert raw(instances, "Reservations.Instances") == 3


@pytest.mark.shared_data
def test_the_cloudmapper_account_hangs_together() -> None:
    seen = Observed("aws", shared_data("aws-cloudmapper-demo")).sound()
    classic = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/weblb"
    assert seen.ends("SELECTS") == [
        (classic, "i-00000000000000002"),
        (classic, "i-00000000000000003"),
    ]
    owners = Counter(target for _, target in seen.ends("BELONGS_TO_ACCOUNT"))
    # The network interface bears another owner than the account it was found in.
    assert owners == {"account/123456789012": 32, "account/653711331788": 1}
    assert {s.subjects[0].attributes.get("region") for s in seen.statements} == {"us-east-1", None}
    assert len(seen.ends("ATTACHED_TO")) == 3
    # Mentioned, without an answer of their own
    mentioned = {s.key for s in seen.subjects("CloudItem", "mention")}
    described = {s.key for s in seen.statements}
    assert mentioned - described == {
        "account/653711331788",
        "i-00000000000000003",
        "sg-09920178",
        "vol-00000000000000000",
        "vol-00000000000000001",
        "vol-00000000000000003",
    }


@pytest.mark.shared_data
def test_the_recorded_answers_have_what_they_are_known_to_have() -> None:
    folder = shared_data("aws-custodian-placebo")
    seen = Observed("aws", folder).sound()

    def given(place: str) -> int:
        return sum(1 for s in seen.observations if s.place.startswith(place))

    for name, count in (
        ("ec2_igw_subnet", 5),
        ("ec2_image_metadata_filter", 13),
        ("test_action_filter_call", 12),
    ):
        path = folder / name / "ec2.DescribeInstances_1.json"
        assert raw(path, "Reservations") == raw(path, "Reservations.Instances") == count
        assert given(f"{name}/ec2.DescribeInstances_1.json") == count
    for name, subnets, tables in (
        ("ec2_igw_subnet", 2, 4),
        ("test_cross_az_nat_gateway_route_filter", 13, 13),
    ):
        assert given(f"{name}/ec2.DescribeSubnets_1.json") == subnets
        assert given(f"{name}/ec2.DescribeRouteTables_1.json") == tables
    types = Counter(
        (s.subjects[0].type, s.subjects[0].attributes.get("resource_type")) for s in seen.statements
    )
    assert types == {
        ("CloudInstance", None): 30,
        ("CloudSubnet", None): 15,
        ("SecurityGroup", None): 42,
        ("CloudDatabase", None): 5,
        ("CloudResource", "aws_route_table"): 17,
        ("CloudResource", "aws_network_interface"): 10,
    }


@pytest.mark.shared_data
def test_the_recorded_instances_that_were_terminated_are_retired() -> None:
    seen = Observed("aws", shared_data("aws-custodian-placebo")).sound()
    states = Counter(
        s.attributes.get("lifecycle_state") for s in seen.subjects("CloudInstance", "statement")
    )
    assert states == {"retired": 18, None: 12}


@pytest.mark.shared_data
def test_the_same_private_address_in_two_recorded_networks_is_two_instances() -> None:
    seen = Observed("aws", shared_data("aws-custodian-placebo")).sound()
    same = [
        s
        for s in seen.subjects("CloudInstance")
        if s.attributes.get("management_ip") == "10.0.1.36"
    ]
    assert {s.attributes["resource_id"] for s in same} == {
        "i-08d26c9b0862f70c8",
        "i-06131954c6f7e8d9d",
    }


@pytest.mark.shared_data
def test_recorded_replicas_routes_and_owners_are_linked() -> None:
    seen = Observed("aws", shared_data("aws-custodian-placebo")).sound()
    database = "arn:aws:rds:us-west-2:644160558196:db:"
    assert (f"{database}sbbdev", f"{database}sbbdevslave") in seen.ends("REPLICATES_TO")
    assert len(seen.ends("REPLICATES_TO")) == 3
    # (subnet)-[:DEPENDS_ON]->(route table)-[:DEPENDS_ON]->(gateway); (instance)-[:DEPENDS_ON]->(interface)
    ends = Counter((a.partition("-")[0], b.partition("-")[0]) for a, b in seen.ends("DEPENDS_ON"))
    assert ends == {("rtb", "igw"): 8, ("rtb", "nat"): 3, ("subnet", "rtb"): 14, ("i", "eni"): 2}
    assert {b for _, b in seen.ends("BELONGS_TO_ACCOUNT")} == {"account/644160558196"}
    assert len(seen.ends("BELONGS_TO_ACCOUNT")) == 119


@pytest.mark.shared_data
def test_no_key_or_user_of_the_samples_is_taken() -> None:
    for folder in ("aws-cloudmapper-demo", "aws-custodian-placebo"):
        seen = Observed("aws", shared_data(folder))
        for word in ("ssh-rsa", "superduper", "awsuser", "PolicyDocument", "(secret removed)"):
            assert not any(word in text for text in seen.texts())
