"""The entries of AWS answers as things: what they go by, whose they are, where, and what they are like."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from importers.aws.answers import Answer
from importers.aws.listing import Listing, found, texts
from importers.cloud import (
    address,
    arn,
    aws_account,
    aws_id,
    aws_partition,
    aws_region,
    network,
)
from importers.values import plain_mac, said, split_hostname

_GATEWAY: Final = re.compile(r"(?:igw|eigw|nat|vgw|tgw|cgw|cagw|lgw)-")
_ADDRESS_NAME: Final = re.compile(r"ip-\d+-\d+-\d+-\d+(?:\.|$)")
# https://sqs.us-east-1.amazonaws.com/<account>/<queue>, or one of the older hosts
_QUEUE: Final = re.compile(r"https://([^/@]+)/(\d{12})/([^/]+)")
_REGION: Final = re.compile(r"\b[a-z]{2}(?:-[a-z]+)+-\d+\b")
GLOBAL: Final = frozenset({"Bucket", "CloudAccount"})
"""Types of what is in no region, or is listed in every region."""


class Thing(NamedTuple):
    """An entry of an answer, with what it goes by."""

    listing: Listing
    entry: dict[str, Any]
    key: str
    resource_id: str
    account: str
    region: str


def read_thing(
    listing: Listing, entry: Any, parent: Any, answer: Answer, accounts: dict[str, str]
) -> Thing | str | None:
    """An entry with what it goes by; why it cannot be used; or None where nothing is listed."""
    if entry is None:
        return None
    ids = texts(entry, listing.id) if isinstance(entry, dict | str) else []
    if not ids or (isinstance(entry, dict) == (listing.id == "@")):
        return "has no " + ("text" if listing.id == "@" else listing.id)
    owner = next(
        filter(
            None, map(aws_account, (*texts(entry, "OwnerId"), *texts(parent, "OwnerId"), ids[0]))
        ),
        accounts.get(answer.account_folder, ""),
    )
    region = _region_of(entry, ids[0]) or answer.region
    key = id_ = _named_id(listing, ids[0])
    if listing.type == "CloudAccount":
        if not (account := aws_account(ids[0])):
            return "has no account number"
        key, owner = f"account/{account}", account
    elif listing.type == "Bucket":
        key = f"bucket/{id_}"
    elif listing.arn:
        id_, owner, region = _built_arn(listing.arn, ids[0], owner, region)
        key = id_ or f"{listing.arn.format(ids[0])} of {answer.scope}/{region}"
    whole = entry if isinstance(entry, dict) else {"@": entry}
    return Thing(listing, whole, key, id_, owner, "" if listing.type in GLOBAL else region)


def _named_id(listing: Listing, text: str) -> str:
    if listing.kind == "aws_route53_zone":
        return text.rpartition("/")[2]  # it is written /hostedzone/Z…
    return aws_id(text)


def _region_of(entry: Any, id_: str) -> str | None:
    zones = [*texts(entry, "Placement.AvailabilityZone"), *texts(entry, "AvailabilityZone")]
    return aws_region(id_) if arn(id_) else aws_region(zones[0] if zones else None)


def _built_arn(template: str, name: str, account: str, region: str) -> tuple[str, str, str]:
    """The ARN of what has only a name, with account and region; empty if one of them is unknown."""
    if match := _QUEUE.fullmatch(name):
        host, account, name = match.groups()
        own = _REGION.search(host)
        region = own[0] if own else region
    if not account or not region:
        return "", account, region
    service, _, resource = template.partition(":")
    partition = aws_partition(region)
    return f"arn:{partition}:{service}:{region}:{account}:{resource.format(name)}", account, region


def far_key(type_: str, text: str, thing: Thing) -> str | None:
    """The key of what a thing is linked to; None for what is none of that type."""
    if type_ == "IPAddress":
        value = address(text)
        return f"address/{value}" if value else None
    if type_ == "CloudGateway" and not _GATEWAY.match(text):
        return None  # ``local``, an endpoint
    if type_ == "CloudDatabase" and not arn(text):
        return _built_arn("rds:db:{}", text, thing.account, thing.region)[0] or None
    return aws_id(text)


def attributes(thing: Thing) -> dict[str, Any]:
    """The attributes of a thing, but for its region."""
    listing = thing.listing
    values: dict[str, Any] = {
        "name": _name(thing),
        "resource_id": thing.resource_id,
        "cloud_provider": "aws",
        "resource_type": listing.kind,
        "engine": listing.engine,
    }
    for name, path in listing.attributes.items():
        values |= _value(name, thing.entry, path)
    return said(**values)


def _name(thing: Thing) -> str:
    tags = [*found(thing.entry, "Tags"), *found(thing.entry, "TagSet")]
    named = (tag.get("Value") for tag in tags if isinstance(tag, dict) and tag.get("Key") == "Name")
    own = next((name for name in named if isinstance(name, str) and name.strip()), "")
    listed = texts(thing.entry, thing.listing.name)
    # Of an ARN or a URL, what comes last
    return own or (listed or [re.split(r"[/:]", thing.resource_id or thing.key)[-1]])[0]


def _value(name: str, entry: dict[str, Any], path: str) -> dict[str, Any]:
    """An attribute as the model writes it."""
    if name == "capacity_gib":
        sizes = [v for v in found(entry, path) if isinstance(v, int) and not isinstance(v, bool)]
        return {name: sizes[0] if sizes and sizes[0] >= 0 else None}
    values = texts(entry, path)
    first = values[0] if values else None
    if name == "network":
        return {name: network(first)}
    if name == "management_ip":
        return {name: address(first)}
    if name == "mac_addresses":
        return {name: list(dict.fromkeys(filter(None, map(plain_mac, values))))}
    if name == "lifecycle_state":
        # It stays in the answers for about an hour after it is gone.
        return {name: "retired" if first == "terminated" else None}
    if name == "hostname":
        # The usual name only repeats the address, and is another machine's in another network.
        return {} if first and _ADDRESS_NAME.match(first) else split_hostname(first)
    return {name: first}
