"""Names of cloud resources: what the importers of clouds and of tools that build in them share.

A resource must get the same `resource_id` from every source, though one gives an ARN and another the
bare id. Ids that are unique by themselves (EC2's ``i-…``, ``vpc-…``; bucket names; DNS zones) stay
bare, also where an ARN was given, because EC2, S3 and Route 53 answer without ARNs. So do the
secrets of Secrets Manager, whose ARNs read like a secret with its value (``…secretsmanager:…``) and
would not pass. Everything else goes by its ARN.
The parts of an ARN: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Final, NamedTuple

from cmdb.reconciliation.observations import Observation

_AWS_REGION: Final = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d+")
_ACCOUNT: Final = re.compile(r"\d{12}")


class Arn(NamedTuple):
    """An Amazon resource name, in its parts."""

    partition: str
    service: str
    region: str
    account: str
    resource: str


def arn(value: Any) -> Arn | None:
    """The parts of a text that is an ARN."""
    parts = value.split(":", 5) if isinstance(value, str) else []
    return Arn(*parts[1:]) if len(parts) == 6 and parts[0] == "arn" and parts[5] else None


def aws_id(value: str) -> str:
    """What an AWS resource goes by: see the module."""
    found = arn(value)
    if found and found.service in ("ec2", "route53") and "/" in found.resource:
        return found.resource.rpartition("/")[2] or value
    if found and found.service == "secretsmanager":
        return found.resource.removeprefix("secret:")
    if found and found.service == "s3" and "/" not in found.resource:
        return found.resource
    return value


def aws_account(value: Any) -> str | None:
    """An AWS account number: twelve digits, also as the owner an ARN names."""
    found = arn(value)
    text = found.account if found else value
    return text if isinstance(text, str) and _ACCOUNT.fullmatch(text) else None


def aws_region(value: Any) -> str | None:
    """The region of an ARN, an availability zone (``us-east-1a``) or a folder's name."""
    found = arn(value)
    text = found.region if found else value
    match = _AWS_REGION.match(text) if isinstance(text, str) else None
    return match[0] if match else None


def aws_partition(region: str) -> str:
    """The partition a region lies in: China and the US government have their own."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def network(value: Any) -> str | None:
    """A network in canonical form, also where host bits are set; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        return str(ipaddress.ip_network(value.strip(), strict=False))
    except ValueError:
        return None


def address(value: Any) -> str | None:
    """An IP address in canonical form; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        return str(ipaddress.ip_address(value.strip()))
    except ValueError:
        return None


def address_mention(value: str) -> Observation:
    """An IP address that something has."""
    return Observation("IPAddress", f"address/{value}", {"ip_address": value})
