"""Which column of a ledger means what: read from a file, or guessed and shown for confirmation.

The file is YAML; everything in it may be left out but `columns`::

    header: 3                        # the row of the headers; else it is found
    sheet: 网络设备                   # of a workbook; else all visible ones
    type:                            # the record type of a row: by a column, else by its sheet,
      column: 设备类型                # else the default
      values: {小机: Mainframe}       # besides the names and synonyms of the model's types
      sheets: {网络设备: NetworkDevice}
      default: Server
    columns:
      设备名称: name                  # an attribute of the record type
      机柜: rack                      # or a role, see below
      质保: {to: warranty_until, dates: ["%d.%m.%Y"]}
      原值: {to: purchase_price, unit: 万元}
      内存: {to: memory_mib, unit: GB}
      状态: {to: lifecycle_state, values: {在运: in_use, 拟退役: idle}}
      上联交换机: {to: UPLINKED_TO, type: Switch, by: name}
      位置: {pattern: '(?P<room>[^/]+)/(?P<rack>.+)'}    # takes a cell apart; groups are targets
      IP地址 #2: addresses            # the second column of that name
    ignored: [序号]                   # columns that are known and not taken
    constants: {site: 杭州, environment: production}
    currency: CNY                    # of amounts that name none
    dates: ["%d/%m/%Y"]              # formats that are tried before the usual ones

A column's target (`to`) is an attribute of the record types; a relationship type, an inverse name or
a reference attribute, with the record `type` at its other end and the attribute `by` which a cell
names it; or one of these roles:

============================================  ====================================================
site, building, floor, room, rack             places, each in the one before: CONTAINED_IN
rack_position, slot                           of that link; ``U12-U13`` also gives the rack_height
organisation, department                      of the device; the department is PART_OF the other
custodian, custodian_number, …_phone, …_email the Person answering for it
custodian_organisation                        whose the person is, where not the device's: ``A/B``
user, supplier                                USED_BY, SUPPLIED_BY
mac, addresses                                MAC addresses; IP addresses besides management_ip
currency                                      of purchase_price, row by row
application                                   the Application it RUNS
maintenance_contract                          the number of the contract it is COVERED_BY
contract_name, contract_until                 of that contract
record_id                                     says that the row is of a record there is: it makes none
type                                          the same as `type.column`; what a pattern finds
============================================  ====================================================
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from cmdb.reconciliation.observations import SourceError
from importers.ledger import headers as words
from importers.reading import Document
from schema.loading import load_model, model_folders
from schema.model import Model

PLACES: Final = ("site", "building", "floor", "room", "rack")
ROLES: Final = frozenset(
    {
        *PLACES,
        *("type", "rack_position", "slot", "organisation", "department", "mac", "addresses"),
        *("custodian", "custodian_number", "custodian_phone", "custodian_email", "user"),
        *("custodian_organisation", "contract_name", "contract_until", "record_id"),
        *("supplier", "currency", "application", "maintenance_contract", "hostname"),
    }
)
IDENTITY: Final = ("asset_number", "serial_number", "name", "hostname", "management_ip")
MANY: Final = frozenset({"addresses"})
"""Targets that several columns may have."""
DEVICES: Final = frozenset(
    {"Hardware", "FacilityEquipment", "Rack", "VirtualMachine", "CloudInstance", "Host"}
)


class Column(BaseModel):
    """What a column means; a mapping may also give just its target."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    to: str = ""
    type: str = ""
    by: str = "name"
    values: dict[str, str | None] = {}
    dates: tuple[str, ...] = ()
    unit: str = ""
    pattern: str = ""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, given: Any) -> Any:
        return {"to": given} if isinstance(given, str) else given

    @field_validator("values", mode="before")
    @classmethod
    def _texts(cls, given: Any) -> Any:
        return texts(given)

    @model_validator(mode="after")
    def _one_meaning(self) -> Column:
        if bool(self.to) == bool(self.pattern):
            raise ValueError("a column has either a target or a pattern")
        try:
            re.compile(self.pattern)
        except (re.error, RecursionError, OverflowError):
            raise ValueError("its pattern is no regular expression") from None
        return self

    @property
    def targets(self) -> list[str]:
        """What it gives: its target, or its pattern's groups."""
        return [self.to] if self.to else list(re.compile(self.pattern).groupindex)


class TypeRule(BaseModel):
    """How the record type of a row is told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: str = ""
    values: dict[str, str | None] = {}
    sheets: dict[str, str | None] = {}
    default: str = ""

    @field_validator("values", "sheets", mode="before")
    @classmethod
    def _texts(cls, given: Any) -> Any:
        return texts(given)


class Mapping(BaseModel):
    """What the columns of a ledger mean; see the module for the file it is written as."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    header: int | None = None
    sheet: str = ""
    type: TypeRule = TypeRule()
    columns: dict[str, Column]
    ignored: tuple[str, ...] = ()
    constants: dict[str, str] = {}
    currency: str = "CNY"
    dates: tuple[str, ...] = ()

    @field_validator("columns", "constants", mode="before")
    @classmethod
    def _texts(cls, given: Any) -> Any:
        return texts(given)

    @field_validator("ignored", mode="before")
    @classmethod
    def _list(cls, given: Any) -> Any:
        return [str(item) for item in given] if isinstance(given, list) else given

    @model_validator(mode="after")
    def _no_secrets(self) -> Mapping:
        for header in (*self.columns, self.type.column):
            if words.SECRET.search(header):
                raise ValueError("a column that holds secrets is never read")
        return self

    def yaml(self) -> str:
        """The mapping as the option `mapping` reads it."""
        plain_form = self.model_dump(mode="json", exclude_defaults=True)
        plain_form["columns"] = {
            header: column["to"] if column.keys() == {"to"} else column
            for header, column in plain_form["columns"].items()
        }
        return yaml.safe_dump(plain_form, allow_unicode=True, sort_keys=False, width=100)


def texts(given: Any) -> Any:
    """A table whose keys, and numbers and booleans among its values, are text as they were written."""
    if not isinstance(given, dict):
        return given
    return {_written(key): _written(value) for key, value in given.items()}


def _written(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if isinstance(value, int | float) else value


def model() -> Model:
    """The shipped model with the operator's own types."""
    folders = tuple(map(str, model_folders()))
    if folders not in _models:
        _models[folders] = load_model()
    return _models[folders]


_models: dict[tuple[str, ...], Model] = {}


def read_mapping(place: str) -> Mapping:
    """The mapping in a file; raises `SourceError` with what is wrong with it."""
    from importers.reading import documents

    found = documents([place])
    if len(found) != 1:
        raise SourceError(f"{place} is a folder.", "The option mapping names a file.")
    content = found[0].yaml()
    try:
        mapping = Mapping.model_validate(content[0] if content else {})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "it"
        raise found[0].error(f"is no mapping: {where}: {first['msg']}", _SEE) from None
    _check(found[0], mapping)
    return mapping


_SEE: Final = "Correct the mapping file; importers/ledger/mapping.py documents its format."


def _check(document: Document, mapping: Mapping) -> None:
    """Every name in a mapping is one of the model's."""
    types = [*mapping.type.values.values(), *mapping.type.sheets.values(), mapping.type.default]
    for name in filter(None, types):
        record_type(name, document)
    for header, column in mapping.columns.items():
        for target in column.targets:
            if problem := _problem(target, column):
                raise document.error(f"is no mapping: columns.{header}: {problem}", _SEE)
    for target in mapping.constants:
        if problem := _problem(target, Column(to=target)):
            raise document.error(f"is no mapping: constants.{target}: {problem}", _SEE)


def record_type(name: str, document: Document) -> str:
    """A record type's name, checked."""
    found = model().record_types.get(name)
    if found is None or found.abstract:
        raise document.error(
            f"cannot be read as {name!r}: no record type a device can have",
            "`cmdb schema show` lists them.",
        )
    return name


def _problem(target: str, column: Column) -> str | None:
    known = model()
    is_link = target[:1].isupper() or (target in known.references and target not in ROLES)
    if target in ROLES or target == "rack_height":
        return None
    if not is_link:
        kinds = [
            t.attributes[target] for t in known.record_types.values() if target in t.attributes
        ]
        if (
            not kinds
            or any(a.sensitive for a in kinds)
            or (kinds[0].managed and target != "lifecycle_state")
        ):
            return f"no attribute {target} can be taken from a ledger"
        return None
    if target[:1].isupper() and target not in {
        name for r in known.relationship_types.values() for name in (r.name, r.inverse)
    }:
        return f"there is no relationship {target}"
    other = known.record_types.get(column.type)
    if other is None or other.abstract or column.by not in other.attributes:
        return "a link names the record type at its other end, and the attribute `by` which"
    return None
