"""What a row of a ledger says of other things: where a device stands, whose it is, who answers for it."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Protocol

from cmdb.reconciliation.observations import Link, Observation
from importers.ledger import names, values
from importers.ledger.mapping import PLACES, ROLES, Column, Mapping
from importers.ledger.memory import Memory, Partly, Problem
from importers.values import said
from schema.errors import UnknownNameError
from schema.model import Model, RecordType

Step = Callable[[Sequence[str], dict[str, Any], list[Link]], None]
Lookup = Callable[[Sequence[str]], Any]
Texts = tuple[str, ...]
ORGANISATION = ("organisation", "department")
PERSON = ("custodian_number", "custodian_phone", "custodian_email")
CONTRACT = ("maintenance_contract", "contract_name", "contract_until")


class Compiled(Protocol):
    """What `Links.compile` adds to."""

    steps: list[tuple[int, Step]]
    unfit: dict[int, str]


class Links:
    """Compiles the links of a mapping; what it makes is kept for all rows of a table.

    Parameters
    ----------
    index
        The column of a target, if it has one.
    """

    def __init__(self, mapping: Mapping, index: Callable[[str], int | None], model: Model) -> None:
        self._mapping, self._index, self._model = mapping, index, model
        # Shared by all types, so that the same things are the same objects.
        self._lookups: dict[tuple[str, ...], Lookup] = {}
        self._by_column: dict[int, Memory[str]] = {}
        self._position = Memory(names.rack_units)
        self._organisation = Memory(_organisation)
        self._person = Memory(self._make_person)

    def compile(
        self, plan: Compiled, record_type: RecordType, columns: Sequence[tuple[int, str, Column]]
    ) -> None:
        """Add the steps for one record type, and the columns it has no use for."""
        parts = (
            ("place", "CONTAINED_IN", (*PLACES, "rack_position", "slot"), self._place_step),
            ("organisation", "organisation", ORGANISATION, self._organisation_step),
            ("custodian", "custodian", ("custodian",), self._custodian_step),
            ("user", "USED_BY", ("user",), self._user_step),
            ("contract", "COVERED_BY", CONTRACT, self._contract_step),
        )
        for _, link, targets, make in parts:
            used = [i for t in targets if (i := self._index(t)) is not None]
            if not used and not any(t in self._mapping.constants for t in targets):
                continue
            if self._allowed(record_type, link):
                plan.steps.append((used[-1] if used else 0, make(record_type)))
            else:
                plan.unfit.update(dict.fromkeys(used, link))
        self._compile_columns(plan, record_type, columns)

    def _compile_columns(
        self, plan: Compiled, record_type: RecordType, columns: Sequence[tuple[int, str, Column]]
    ) -> None:
        for index, target, column in columns:
            link, meaning = self._column(target, column)
            if not link:
                continue
            far = column.type or {"supplier": "Supplier"}.get(target, "")
            if self._allowed(record_type, link, far):
                skip = target if target == "management_ip" else ""
                memory = self._by_column.setdefault(index, Memory(meaning))
                plan.steps.append((index, _column_step(index, memory, skip)))
            elif target != "management_ip":
                plan.unfit[index] = link
        price, currency = self._index("purchase_price"), self._index("currency")
        if (
            price is not None
            and currency is not None
            and "purchase_price" in record_type.attributes
        ):
            [unit] = [column.unit for index, _, column in columns if index == price]
            plan.steps.append((price, self._price_step(price, currency, unit)))
        for target in ("supplier", "application"):
            if text := self._mapping.constants.get(target):
                link, meaning = self._column(target, Column(to=target))
                if self._allowed(record_type, link):
                    plan.steps.append((0, _constant_step(meaning(text))))

    def _column(self, target: str, column: Column) -> tuple[str, Callable[[str], list[Link]]]:
        """The link a column gives, by the text of a cell; "" for columns that give none."""
        found: dict[str, tuple[str, Callable[[str], list[Link]]]] = {
            "supplier": ("SUPPLIED_BY", lambda text: [_named("SUPPLIED_BY", "Supplier", text)]),
            "application": (
                "RUNS",
                lambda text: [_named("RUNS", "Application", n) for n in values.several(text)],
            ),
            "addresses": ("HAS_ADDRESS", lambda text: _addresses(text, 0)),
            "management_ip": ("HAS_ADDRESS", _further_addresses),
        }
        if target in found:
            return found[target]
        if target in ROLES or not column.type:
            return "", lambda _: []
        return target, lambda text: _other(target, column, text)

    def _allowed(self, record_type: RecordType, link: str, far: str = "") -> bool:
        """Whether a type can have a link (to another type)."""
        if link[:1].islower():
            return link in record_type.attributes
        try:
            type_, direction = self._model.direction(link)
        except UnknownNameError:
            return False
        near_ends, far_ends = type_.sources, type_.targets
        if direction == "in":
            near_ends, far_ends = far_ends, near_ends
        return record_type.name in near_ends and (not far or far in far_ends)

    def _lookup(self, targets: Sequence[str], meaning: Callable[[Texts], Any]) -> Lookup:
        """What the columns of some targets mean together, constants where a cell is empty."""
        if known := self._lookups.get(tuple(targets)):
            return known
        pairs = [(self._index(t), self._mapping.constants.get(t, "")) for t in targets]
        used = [place for place, _ in pairs if place is not None]

        def of_cells(cells: Texts) -> Any:
            texts = iter(cells)
            return meaning(tuple(c if p is None else (next(texts) or c) for p, c in pairs))

        memory = Memory(of_cells)
        take = itemgetter(*used) if len(used) > 1 else lambda row: tuple(row[i] for i in used)
        self._lookups[tuple(targets)] = found = lambda row: memory[take(row)]
        return found

    # -- steps --------------------------------------------------------------------------------

    def _place_step(self, record_type: RecordType) -> Step:
        look_up, positions = self._lookup(PLACES, _places), self._position
        position_at, slot_at = self._index("rack_position"), self._index("slot")
        has_height = "rack_height" in record_type.attributes

        def step(row: Sequence[str], attributes: dict[str, Any], links: list[Link]) -> None:
            found = look_up(row)
            if type(found) is Problem:
                raise ValueError(found.reason)
            slot = values.clean(row[slot_at]) if slot_at is not None else ""
            where: dict[str, Any] = {"slot": slot} if slot else {}
            if found is not None:
                links.append(Link("CONTAINED_IN", found, where))
            units = positions[row[position_at]] if position_at is not None else None
            if units is None:
                return
            if type(units) is Problem:
                raise ValueError(units.reason)
            low, high = units
            if high and has_height:
                attributes.setdefault("rack_height", high)
            if found is None or found.type != "Rack":
                raise ValueError("is a position in no rack")
            where["rack_position"] = low

        return step

    def _organisation_step(self, record_type: RecordType) -> Step:
        def convert(texts: Texts) -> list[Link]:
            found = self._organisation[texts]
            return [Link("organisation", found)] if found else []

        return _links_step(self._lookup(ORGANISATION, convert))

    def _custodian_step(self, record_type: RecordType) -> Step:
        targets = (*ORGANISATION, "custodian_organisation", "custodian", *PERSON)
        return _links_step(self._lookup(targets, self._custodians))

    def _contract_step(self, record_type: RecordType) -> Step:
        return _links_step(self._lookup(CONTRACT, _contract))

    def _user_step(self, record_type: RecordType) -> Step:
        return _links_step(self._lookup((*ORGANISATION, "user"), self._users))

    def _price_step(self, price: int, currency: int, unit: str) -> Step:
        def convert(texts: Texts) -> str | None:
            amount, code = texts
            code = code.upper() if len(code) == 3 else self._mapping.currency
            return values.money(amount, code, unit) if amount else None

        memory = Memory(convert)

        def step(row: Sequence[str], attributes: dict[str, Any], links: list[Link]) -> None:
            found = memory[row[price], row[currency]]
            if type(found) is Problem:
                raise ValueError(found.reason)
            if found is not None:
                attributes["purchase_price"] = found

        return step

    # -- people -------------------------------------------------------------------------------

    def _make_person(self, texts: Texts) -> Observation:
        company, department, name, number, phone, email = texts
        attributes = said(name=name, employee_number=number, phone=phone, email=email)
        organisation = self._organisation[company, department]
        links = (Link("organisation", organisation),) if organisation else ()
        telling = number or email or "/".join(filter(None, (company, department, name)))
        return Observation("Person", f"person/{telling}", attributes, links)

    def _named_person(self, company: str, department: str, person: dict[str, str]) -> Observation:
        parts = (person.get(n, "") for n in ("name", "employee_number", "phone", "email"))
        found: Observation = self._person[company, department, *parts]
        return found

    def _custodians(self, texts: Texts) -> Any:
        """The first person of a cell, with what further columns say of him."""
        company, department, own, text, *more = texts
        if own:
            company, _, department = own.rpartition("/")
        people = names.people(text) if text else []
        if not people:
            return None
        extra = said(**dict(zip(("employee_number", "phone", "email"), more, strict=True)))
        first = people[0] | (extra if len(people) == 1 else {})
        links = [Link("custodian", self._named_person(company, department, first))]
        if len(people) > 1:
            return Partly(f"names {len(people)} people; the first was taken", links)
        return links

    def _users(self, texts: Texts) -> list[Link]:
        company, department, text = texts
        people = names.people(text) if text else []
        return [Link("USED_BY", self._named_person(company, department, p)) for p in people]


def _links_step(look_up: Lookup) -> Step:
    def step(row: Sequence[str], attributes: dict[str, Any], links: list[Link]) -> None:
        found = look_up(row)
        if type(found) is list:
            links += found
            return
        if isinstance(found, Partly):
            links += found.value
        if isinstance(found, Problem):
            raise ValueError(found.reason)

    return step


def _column_step(index: int, memory: Memory[str], skip: str = "") -> Step:
    """The links of a column; none where its text is all that an attribute already says."""

    def step(row: Sequence[str], attributes: dict[str, Any], links: list[Link]) -> None:
        if (text := row[index]) and text != attributes.get(skip):
            found = memory[text]
            if type(found) is Problem:
                raise ValueError(found.reason)
            if found:
                links += found

    return step


def _constant_step(found: list[Link]) -> Step:
    def step(row: Sequence[str], attributes: dict[str, Any], links: list[Link]) -> None:
        links += found

    return step


# -- the things at the other end ------------------------------------------------------------------


def _places(texts: Texts) -> Observation | None:
    """The innermost place; each (place)-[:CONTAINED_IN]->(the one before)."""
    place: Observation | None = None
    path = ""
    for target, name in zip(PLACES, texts, strict=True):
        if name:
            path = f"{path}/{name}"
            links = (Link("CONTAINED_IN", place),) if place else ()
            place = Observation(target.capitalize(), f"{target}{path}", {"name": name}, links)
    return place


def _organisation(texts: Texts) -> Observation | None:
    """(department)-[:PART_OF]->(company), or the one of them that is said."""
    organisation: Observation | None = None
    path = ""
    for name in texts:
        if name and (organisation is None or name != organisation.attributes["name"]):
            path = f"{path}/{name}"
            links = (Link("PART_OF", organisation),) if organisation else ()
            type_ = names.organisation_type(name)
            organisation = Observation(type_, f"organisation{path}", {"name": name}, links)
    return organisation


def _named(link: str, type_: str, name: str) -> Link:
    return Link(link, Observation(type_, f"{type_.lower()}/{name}", {"name": name}))


def _contract(texts: Texts) -> Any:
    number, name, until = texts
    if not number:
        return []
    attributes = {"name": name or number, "document_number": number}
    problem = ""
    if until:
        try:
            attributes["valid_until"] = values.day(until, last=True)
        except ValueError as error:
            problem = str(error)
    contract = Observation("MaintenanceContract", f"contract/{number}", attributes)
    links = [Link("COVERED_BY", contract)]
    return Partly(problem, links) if problem else links


def _addresses(text: str, start: int) -> list[Link]:
    """Links to IP addresses of a cell, from the one at ``start`` on."""
    telling = [a for a in names.addresses(text)[start:] if not _is_own(a)]
    return [
        Link("HAS_ADDRESS", Observation("IPAddress", f"ip/{a}", {"ip_address": a})) for a in telling
    ]


def _further_addresses(text: str) -> list[Link]:
    """Those behind the first, which is the management address, and which says if the cell is wrong."""
    try:
        return _addresses(text, 1)
    except ValueError:
        return []


def _is_own(address: str) -> bool:
    """Whether an address means the host itself, or nothing."""
    found = ipaddress.ip_address(address)
    return found.is_loopback or found.is_unspecified or found.is_link_local


def _other(link: str, column: Column, text: str) -> list[Link]:
    """A record named by a cell, as the mapping says."""
    text_or_none = column.values.get(text, text)
    if not text_or_none:
        return []
    key = f"{column.type}/{text_or_none}"
    return [Link(link, Observation(column.type, key, {column.by: text_or_none}))]
