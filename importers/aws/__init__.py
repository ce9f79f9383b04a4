"""AWS as its API answers: ``aws … describe-*`` and ``list-*`` as JSON, and recorded boto3 answers.

The documents of a run are taken together: a folder as CloudMapper's ``collect`` fills it, one of
answers recorded by placebo, or any JSON files the AWS CLI printed. Gives the things that
`aws_resources` lists with their accounts, networks, security groups, volumes and targets. What is
only mentioned (a security group of an instance whose own answer is not there) is given with its id.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from cmdb.reconciliation.observations import Item, Link, Observation, Ref, Rejection
from importers.aws.answers import Answer, answers, is_call
from importers.aws.listing import entries, texts
from importers.aws.things import GLOBAL, Thing, attributes, far_key, read_thing
from importers.cloud import address_mention, arn, aws_account, aws_region
from importers.contract import Importer, Options
from importers.reading import Document
from importers.values import said


class Aws(Importer[Options]):
    name: ClassVar[str] = "aws"
    title: ClassVar[str] = "AWS API answers: aws describe-* and list-* JSON, recorded boto3 answers"
    title_zh: ClassVar[str] = "AWS API 应答：aws describe-*、list-* 的 JSON 输出及录制的 boto3 应答"
    precedence: ClassVar[int] = 60
    together: ClassVar[bool] = True

    def observe(self, documents: Sequence[Document]) -> Iterator[Item]:
        estate, read = _Estate(), list(answers(documents))
        for answer in read:
            estate.learn_account(answer)
        # Twice through the documents, so that no more than one is in memory at a time: what is
        # described decides whether a link refers to it or must say what it knows of the other end.
        known = [answer for answer in read if estate.learn(answer)]
        yield from estate.rejections
        if not known and documents and not estate.rejections:
            raise documents[0].error("holds no AWS answer that is read")
        for answer in known:
            yield from estate.things(answer)


@dataclass(slots=True)
class _Estate:
    """What all answers tell together.

    Attributes
    ----------
    accounts
        Of the caller, by the folder of an account.
    chosen
        By key, which entry of which answer describes a thing best.
    """

    accounts: dict[str, str] = field(default_factory=dict)
    chosen: dict[str, tuple[bool, str, int]] = field(default_factory=dict)
    buckets: dict[str, str] = field(default_factory=dict)
    balanced: dict[str, list[str]] = field(default_factory=dict)
    targets: dict[str, list[str]] = field(default_factory=dict)
    rejections: list[Rejection] = field(default_factory=list)

    def learn_account(self, answer: Answer) -> None:
        """Take up whose the answers of a folder are."""
        if answer.may_name_account:
            content = answer.content()
            account = content.get("Account") if isinstance(content, dict) else None
            if aws_account(account):
                self.accounts[answer.account_folder] = str(account)

    def learn(self, answer: Answer) -> bool:
        """Take up which things an answer describes; whether it is one that is read."""
        content = answer.content()
        if isinstance(content, Rejection):
            self.rejections.append(content)
            return False
        if answer.fact:
            self._learn_fact(answer, content)
            return True
        listing = answer.listing(content)
        if listing is None:
            if not is_call(answer.document):
                self.rejections.append(Rejection(answer.place, "holds no AWS answer that is read"))
            return False
        for number, (entry, parent) in enumerate(entries(content, listing.entries), 1):
            thing = read_thing(listing, entry, parent, answer, self.accounts)
            if isinstance(thing, Thing):
                rank = (listing.brief, answer.document.place, number)
                self.chosen[thing.key] = min(rank, self.chosen.get(thing.key, rank), key=_rank)
                if listing.entries == "TargetGroups":
                    for balancer in texts(thing.entry, "LoadBalancerArns"):
                        self.balanced.setdefault(balancer, []).append(thing.resource_id)
        return True

    def _learn_fact(self, answer: Answer, content: dict[str, Any]) -> None:
        if "LocationConstraint" in content:
            # The first region has no constraint
            region = content["LocationConstraint"] or "us-east-1"
            self.buckets[answer.subject] = aws_region(region) or ""
        else:
            ids = texts(content, "TargetHealthDescriptions.Target.Id")
            self.targets.setdefault(answer.subject, []).extend(ids)

    def things(self, answer: Answer) -> Iterator[Item]:
        """The observations of an answer."""
        content = answer.content()
        if isinstance(content, Rejection) or (listing := answer.listing(content)) is None:
            return
        for number, (entry, parent) in enumerate(entries(content, listing.entries), 1):
            thing = read_thing(listing, entry, parent, answer, self.accounts)
            if isinstance(thing, str):
                yield Rejection(f"{answer.place} entry {number}", thing)
            elif thing and self.chosen[thing.key] == (listing.brief, answer.document.place, number):
                yield from self._observation(thing, f"{answer.place} entry {number}")

    def _observation(self, thing: Thing, place: str) -> Iterator[Item]:
        links: dict[tuple[str, str], Link] = {}
        for name, type_, other in self._links(thing):
            if other == thing.key:
                yield Rejection(place, f"is linked to itself ({name})", thing.key)
            elif name != "ATTACHMENT_OF" or other not in self.chosen:
                # An instance that is described names its volumes itself.
                links[name, other] = Link(name, self._end(type_, other, thing))
        region = self._region(thing)
        values = attributes(thing) | said(region=region)
        yield Observation(thing.listing.type, thing.key, values, list(links.values()), place)

    def _region(self, thing: Thing) -> str:
        if thing.listing.type == "Bucket":
            own = texts(thing.entry, "BucketRegion")
            return own[0] if own else self.buckets.get(thing.resource_id, "")
        return thing.region

    def _links(self, thing: Thing) -> Iterator[tuple[str, str, str]]:
        """Relationships, with type and key of what is at the other end."""
        if thing.account and thing.listing.type != "CloudAccount":
            yield "BELONGS_TO_ACCOUNT", "CloudAccount", f"account/{thing.account}"
        for name, type_, path in thing.listing.links:
            for text in texts(thing.entry, path):
                if key := far_key(type_, text, thing):
                    yield name, type_, key
        for group in self.balanced.get(thing.resource_id, ()):
            for target in self.targets.get(group, ()):
                # (load balancer)-[:SELECTS]->(instance or function)
                if target.startswith("i-"):
                    yield "SELECTS", "CloudInstance", target
                elif (parts := arn(target)) and parts.service == "lambda":
                    yield "SELECTS", "CloudFunction", target

    def _end(self, type_: str, key: str, thing: Thing) -> Observation | Ref:
        if type_ == "IPAddress":
            return address_mention(key.removeprefix("address/"))
        if key in self.chosen:
            return Ref(key)
        id_ = key.removeprefix("account/")
        region = None if type_ in GLOBAL else aws_region(id_ if arn(id_) else thing.region)
        return Observation(type_, key, said(resource_id=id_, cloud_provider="aws", region=region))


def _rank(rank: tuple[bool, str, int]) -> bool:
    """What describes a thing comes before what only names it; the first of several stays."""
    return rank[0]
