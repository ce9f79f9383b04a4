"""Directories as LDIF: what each kind of entry gives, and what must never leave the file."""

from __future__ import annotations

import base64
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from cmdb.errors import SourceError
from cmdb.reconciliation.observations import Link, Observation, Ref
from importers.ldap import Directory, survey
from importers.ldap.names import domain_of, key_of, parse_name
from importers.reading import documents
from tests.support.observing import Observed, shared_data

EXAMPLE = Path(__file__).parents[2] / "examples" / "discovery" / "ldap" / "people.ldif"

OPENLDAP = """\
version: 1

# the company
dn: dc=grid,dc=example
objectClass: dcObject
objectClass: organization
dc: grid
o: Grid Company

dn: ou=IT, dc=grid, dc=example
objectClass: organizationalUnit
ou: IT
description: Keeps the
  lights on

dn:: dWlkPXpoYW5nc2FuLG91PUlULGRjPWdyaWQsZGM9ZXhhbXBsZQ==
objectClass: inetOrgPerson
cn:: 5byg5LiJ
sn:: 5byg
uid: zhangsan
mail: not an address
mail: zhangsan@grid.example
telephoneNumber: +86 25 1000
title: Engineer
employeeNumber: 10021
userPassword:: e1NTSEF9c2VjcmV0LXNlY3JldA==
jpegPhoto:< file:///etc/passwd
userCertificate;binary:: AAECAwQ=
sambaNTPassword: 0CB6948805F797BF2A82807973B89537

dn: uid=li,ou=IT,dc=grid,dc=example
objectClass: account
objectClass: posixAccount
uid: li
gecos: Li Si,Room 12,1001
loginShell: /bin/sh

dn: cn=Platform,ou=IT,dc=grid,dc=example
objectClass: groupOfNames
cn: Platform
member: UID=zhangsan , OU=it,DC=grid,DC=example
member: cn=Night,ou=IT,dc=grid,dc=example
member: uid=gone,ou=Elsewhere,dc=grid,dc=example
member: cn=Unknown,dc=grid,dc=example
member: cn=Platform,ou=IT,dc=grid,dc=example

dn: cn=Night,ou=IT,dc=grid,dc=example
objectClass: posixGroup
cn: Night
gidNumber: 100
memberUid: zhangsan
memberUid: LI
memberUid: other
"""

ACTIVE_DIRECTORY = """\
dn: CN=Wang Fang,OU=Operations,OU=Nanjing,DC=grid,DC=example
changetype: add
objectClass: top
objectClass: person
objectClass: organizationalPerson
objectClass: user
cn: Wang Fang
sAMAccountName: wangfang
userAccountControl: 514
employeeID: 77
unicodePwd:: c2VjcmV0LXNlY3JldA==

dn: CN=SRV01,OU=Servers,DC=grid,DC=example
changetype: add
objectClass: top
objectClass: person
objectClass: organizationalPerson
objectClass: user
objectClass: computer
cn: SRV01
sAMAccountName: SRV01$
dNSHostName: SRV01.grid.example
operatingSystem: Windows Server 2019 Standard
managedBy: CN=Wang Fang,OU=Operations,OU=Nanjing,DC=grid,DC=example

dn: CN=PC7,CN=Computers,DC=grid,DC=example
changetype: add
objectClass: computer
cn: PC7
sAMAccountName: PC7$
operatingSystem: Windows 11 Enterprise

dn: CN=svc,CN=Managed Service Accounts,DC=grid,DC=example
changetype: add
objectClass: user
objectClass: computer
objectClass: msDS-GroupManagedServiceAccount
cn: svc

dn: CN=All,OU=Nanjing,DC=grid,DC=example
changetype: add
objectClass: group
cn: All
member;range=0-1499: CN=Wang Fang,OU=Operations,OU=Nanjing,DC=grid,DC=example

dn: CN=Old,DC=grid,DC=example
changetype: modify
delete: member
member: CN=Wang Fang,OU=Operations,OU=Nanjing,DC=grid,DC=example
-

"""

NIS = """\
dn: cn=mail, o=grid
cn: mail
cn: mail.grid.example
cn: mail
objectClass: ipHost
objectClass: device
objectClass: ieee802Device
ipHostNumber: 127.1
ipHostNumber: 10.1.0.5
macAddress: 8:0:69:2:ed:b3

dn: cn=office, o=grid
objectClass: ipNetwork
cn: office
ipNetworkNumber: 10.1.4
ipNetmaskNumber: 255.255.252.0

dn: cn=old, o=grid
objectClass: ipNetwork
cn: old
ipNetworkNumber: 192.26.50

dn: cn=zeros, o=grid
objectClass: ipNetwork
cn: zeros
ipNetworkNumber: 172.16.0.0

dn: cn=half, o=grid
objectClass: ipNetwork
cn: half
ipNetworkNumber: 10.1.4.128

dn: cn=text, o=grid
objectClass: ipNetwork
cn: text
ipNetworkNumber: ISDN

dn: cn=misfit, o=grid
objectClass: ipNetwork
cn: misfit
ipNetworkNumber: 10.1.4
ipNetmaskNumber: 255.255.0.0

dn: cn=smtp, o=grid
objectClass: top
objectClass: ipService
cn: smtp
ipServicePort: 25
"""

TREE = "dc=grid,dc=example"


def written(folder: Path, text: str, name: str = "export.ldif") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def said_of(observed: Observed) -> dict[str, Observation]:
    return {observation.key: observation for observation in observed.observations}


def survey_of(*sources: Path) -> Directory:
    return survey(documents([str(source) for source in sources], (".ldif",)))


def test_an_openldap_tree_gives_units_people_and_groups(tmp_path: Path) -> None:
    said = said_of(Observed("ldap", written(tmp_path, OPENLDAP)).sound())
    assert said == {
        TREE: Observation("Department", TREE, {"name": "Grid Company"}, [], "export.ldif line 4"),
        f"ou=it,{TREE}": Observation(
            "Department",
            f"ou=it,{TREE}",
            {"name": "IT", "description": "Keeps the lights on"},
            [Link("PART_OF", Ref(TREE))],
            "export.ldif line 10",
        ),
        f"uid=zhangsan,ou=it,{TREE}": Observation(
            "Person",
            f"uid=zhangsan,ou=it,{TREE}",
            {
                "name": "张三",
                "username": "zhangsan",
                "email": "zhangsan@grid.example",
                "phone": "+86 25 1000",
                "job_title": "Engineer",
                "employee_number": "10021",
            },
            [Link("organisation", Ref(f"ou=it,{TREE}"))],
            "export.ldif line 16",
        ),
        f"uid=li,ou=it,{TREE}": Observation(
            "Person",
            f"uid=li,ou=it,{TREE}",
            {"name": "Li Si", "username": "li"},
            [Link("organisation", Ref(f"ou=it,{TREE}"))],
            "export.ldif line 31",
        ),
        f"cn=platform,ou=it,{TREE}": Observation(
            "Team",
            f"cn=platform,ou=it,{TREE}",
            {"name": "Platform"},
            [
                Link("organisation", Ref(f"ou=it,{TREE}")),
                Link("HAS_MEMBER", Ref(f"uid=zhangsan,ou=it,{TREE}")),
                Link(
                    "HAS_MEMBER",
                    Observation(
                        "Person",
                        f"uid=gone,ou=elsewhere,{TREE}",
                        {"name": "gone", "username": "gone"},
                    ),
                ),
                Link("HAS_MEMBER", Ref(f"cn=unknown,{TREE}")),
            ],
            "export.ldif line 38",
        ),
        f"cn=night,ou=it,{TREE}": Observation(
            "Team",
            f"cn=night,ou=it,{TREE}",
            {"name": "Night"},
            [
                Link("organisation", Ref(f"ou=it,{TREE}")),
                Link("HAS_MEMBER", Ref(f"uid=zhangsan,ou=it,{TREE}")),
                Link("HAS_MEMBER", Ref(f"uid=li,ou=it,{TREE}")),
                Link(
                    "HAS_MEMBER",
                    Observation("Person", "uid=other", {"name": "other", "username": "other"}),
                ),
            ],
            "export.ldif line 47",
        ),
    }


def test_active_directory_gives_people_computers_and_groups(tmp_path: Path) -> None:
    observed = Observed("ldap", written(tmp_path, ACTIVE_DIRECTORY))
    said = said_of(observed)
    nanjing = Observation("Department", f"ou=nanjing,{TREE}", {"name": "Nanjing"}, [])
    operations = Observation(
        "Department",
        f"ou=operations,ou=nanjing,{TREE}",
        {"name": "Operations"},
        [Link("PART_OF", nanjing)],
    )
    wang = f"cn=wang fang,ou=operations,ou=nanjing,{TREE}"
    assert said == {
        wang: Observation(
            "Person",
            wang,
            {
                "name": "Wang Fang",
                "username": "wangfang",
                "employee_number": "77",
                "lifecycle_state": "inactive",
            },
            [Link("organisation", operations)],
            "export.ldif line 1",
        ),
        f"cn=srv01,ou=servers,{TREE}": Observation(
            "Server",
            f"cn=srv01,ou=servers,{TREE}",
            {
                "name": "srv01",
                "hostname": "srv01",
                "domain": "grid.example",
                "os_name": "Windows Server 2019 Standard",
            },
            [Link("custodian", Ref(wang))],
            "export.ldif line 13",
        ),
        f"cn=pc7,cn=computers,{TREE}": Observation(
            "Computer",
            f"cn=pc7,cn=computers,{TREE}",
            {
                "name": "pc7",
                "hostname": "pc7",
                "domain": "grid.example",
                "os_name": "Windows 11 Enterprise",
            },
            [],
            "export.ldif line 26",
        ),
        f"cn=all,ou=nanjing,{TREE}": Observation(
            "Team",
            f"cn=all,ou=nanjing,{TREE}",
            {"name": "All"},
            [Link("organisation", nanjing), Link("HAS_MEMBER", Ref(wang))],
            "export.ldif line 40",
        ),
    }
    assert [(r.place, r.reason) for r in observed.rejections] == [
        (
            "export.ldif line 40",
            "names only its first members (member;range=…): ask the server for the rest",
        ),
        ("export.ldif line 46", "is a change (modify), not an entry"),
    ]
    assert observed.unfit == []
    assert observed.statement(wang).subjects[0].attributes["lifecycle_state"] == "inactive"


def test_nis_maps_give_hosts_and_networks(tmp_path: Path) -> None:
    path = written(tmp_path, NIS)
    observed = Observed("ldap", path)
    assert [(o.type, o.key, o.attributes) for o in observed.observations] == [
        (
            "Host",
            "cn=mail,o=grid",
            {
                "name": "mail",
                "hostname": "mail",
                "domain": "grid.example",
                "management_ip": "10.1.0.5",
                "mac_addresses": ["08:00:69:02:ed:b3"],
            },
        ),
        ("Subnet", "cn=office,o=grid", {"name": "office", "network": "10.1.4.0/22"}),
        ("Subnet", "cn=old,o=grid", {"name": "old", "network": "192.26.50.0/24"}),
        ("Subnet", "cn=zeros,o=grid", {"name": "zeros", "network": "172.16.0.0/16"}),
    ]
    assert [r.reason for r in observed.rejections] == [
        "the entry has a network number with all octets and no mask (ipNetmaskNumber)",
        "the entry has no network number",
        "the entry has a network number and a mask that do not fit",
    ]
    assert survey_of(path).counts == {"Host": 1, "Subnet": 6, "ipservice": 1}


def test_a_samba_machine_account_is_a_computer(tmp_path: Path) -> None:
    text = (
        "dn: uid=PC9$,dc=grid\nobjectClass: posixAccount\nobjectClass: sambaSamAccount\nuid: PC9$\n"
    )
    [computer] = Observed("ldap", written(tmp_path, text)).sound().observations
    assert (computer.type, computer.attributes) == (
        "Computer",
        {"name": "pc9", "hostname": "pc9", "domain": "grid"},
    )


def test_units_that_only_hold_entries_are_left_out_if_asked(tmp_path: Path) -> None:
    text = (
        "dn: ou=IT,dc=grid\nobjectClass: organizationalUnit\nou: IT\n\n"
        "dn: ou=People,ou=IT,dc=grid\nobjectClass: organizationalUnit\nou: People\n\n"
        "dn: cn=A B,ou=People,ou=IT,dc=grid\nobjectClass: person\ncn: A B\n"
    )
    observed = Observed("ldap", written(tmp_path, text), containers="Groups, PEOPLE").sound()
    assert [o.key for o in observed.observations] == [
        "ou=it,dc=grid",
        "cn=a b,ou=people,ou=it,dc=grid",
    ]
    assert observed.observations[1].links == [Link("organisation", Ref("ou=it,dc=grid"))]


def test_a_name_that_is_only_the_account_gives_way_to_the_display_name(tmp_path: Path) -> None:
    text = (
        "dn: cn=zs,dc=grid\nobjectClass: user\ncn: zs\nsAMAccountName: ZS\ndisplayName:: 5byg5LiJ\n"
    )
    [person] = Observed("ldap", written(tmp_path, text)).sound().observations
    assert person.attributes == {"name": "张三", "username": "ZS"}


def test_a_value_in_a_language_serves_where_there_is_no_other(tmp_path: Path) -> None:
    text = (
        "dn: cn=A,dc=grid\nobjectClass: person\ncn;lang-en: A\ncn;lang-zh:: 5byg5LiJ\n"
        "title;lang-zh:: 5byg5LiJ\ntitle: Head\n"
    )
    [person] = Observed("ldap", written(tmp_path, text)).sound().observations
    assert person.attributes == {"name": "A", "job_title": "Head"}


def test_members_are_found_in_other_files(tmp_path: Path) -> None:
    written(
        tmp_path,
        "dn: cn=G,dc=x\nobjectClass: groupOfUniqueNames\nuniqueMember: cn=P,dc=x#'01'B\n",
        "1.ldif",
    )
    written(tmp_path, "DN: cn=P, dc=x\nobjectclass: PERSON\ncn: P\n", "2.ldif")
    observed = Observed("ldap", tmp_path).sound()
    assert [o.key for o in observed.observations] == ["cn=g,dc=x", "cn=p,dc=x"]
    assert observed.observations[0].links == [Link("HAS_MEMBER", Ref("cn=p,dc=x"))]


@pytest.mark.parametrize(
    "encode",
    [
        pytest.param(lambda text: text.replace("\n", "\r\n").encode(), id="CRLF"),
        pytest.param(lambda text: b"\xef\xbb\xbf" + text.encode(), id="byte order mark"),
        pytest.param(lambda text: text.replace("\n", "\r\n").encode("utf-16"), id="ldifde -u"),
    ],
)
def test_the_same_directory_in_other_bytes_says_the_same(tmp_path: Path, encode: object) -> None:
    plain = Observed("ldap", written(tmp_path, OPENLDAP)).observations
    (tmp_path / "export.ldif").write_bytes(encode(OPENLDAP))  # type: ignore[operator]
    assert Observed("ldap", tmp_path / "export.ldif").observations == plain


def test_what_ldapsearch_adds_is_no_entry(tmp_path: Path) -> None:
    text = "# extended LDIF\n#\n\n{}\n# search result\nsearch: 2\nresult: {}\n\n# numResponses: 2\n"
    entry = "dn: cn=P,dc=x\nobjectClass: person\ncn: P\n"
    whole = Observed("ldap", written(tmp_path, text.format(entry, "0 Success"))).sound()
    assert [o.key for o in whole.observations] == ["cn=p,dc=x"]
    assert (
        Observed("ldap", written(tmp_path, text.format("", "0 Success"))).sound().statements == []
    )
    cut = Observed("ldap", written(tmp_path, text.format(entry, "4 Size limit exceeded")))
    assert len(cut.observations) == 1
    assert [(r.place, r.reason) for r in cut.rejections] == [
        (
            "export.ldif line 9",
            "the search ended early (LDAP result 4): entries are missing",
        )
    ]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("dn: cn=D,dc=x\ncn\n", "line 6 is no attribute and value"),
        ("dn: cn=D,dc=x\ncn:: 5byg5L!iJ\n", "line 6: the base64 of cn is damaged"),
        ("dn: cn=D,dc=x\nuserPassword:: c2VjcmV0LXNlY3JldA=\n", "line 6: the base64 of userpassword is damaged"),
        ("dn: cn=D,dc=x\ncn:: /9j/\n", "line 6: cn is not UTF-8 text"),
        ("dn: cn=D,dc=x\ndn: cn=E,dc=x\n", "line 6 begins another record, without an empty line"),
        ("cn: D\nuserPassword: secret-secret\n", "the record does not begin with “dn:”"),
        (" folded from nowhere\n", "line 5 is no attribute and value"),
        ("dn:< file:///etc/passwd\nobjectClass: person\n", "line 5: dn is a reference, which is not followed"),
        ("dn: no name\nobjectClass: person\n", "the entry is no distinguished name"),
        ("dn: cn=\\,dc\nobjectClass: person\ncn: D", ""),
        ("dn: \nobjectClass: person\n", "the entry has no name"),
        ("dn: CN=A , DC=x\nobjectClass: person\n", "the entry has the name of an earlier entry"),
        ("dn: " + "cn=a," * 50 + "dc=x\nobjectClass: person\n", "the entry has too many components for a distinguished name"),
    ],
)  # fmt: skip
def test_a_damaged_entry_is_rejected_and_the_rest_goes_in(
    tmp_path: Path, entry: str, reason: str
) -> None:
    before = "dn: cn=A,dc=x\nobjectClass: person\ncn: A\n\n"
    after = "\n\ndn: cn=Z,dc=x\nobjectClass: person\ncn: Z\n"
    observed = Observed("ldap", written(tmp_path, before + entry + after))
    keys = [o.key for o in observed.observations]
    assert (keys[0], keys[-1]) == ("cn=a,dc=x", "cn=z,dc=x")
    rejected = [(r.place, r.reason) for r in observed.rejections]
    assert rejected == ([("export.ldif line 5", reason)] if reason else [])


def test_no_secret_leaves_the_file(tmp_path: Path) -> None:
    words = ("userPassword", "unicodePwd", "sambaNTPassword", "krbPrincipalKey", "jpegPhoto")
    secrets = "".join(f"{word}: hunter2-{n}\n" for n, word in enumerate(words))
    hashes = "".join(f"{word}:: {base64.b64encode(b'{SSHA}hunter2').decode()}\n" for word in words)
    text = f"dn: cn=P,dc=x\nobjectClass: person\ncn: P\n{secrets}{hashes}"
    observed = Observed("ldap", written(tmp_path, text)).sound()
    assert observed.observations[0].attributes == {"name": "P"}
    assert not [t for t in observed.texts() if "hunter2" in t]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"users": []}',
        b"<ldif/>",
        b"name,mail\nA,a@b.c\n",
        b"\x00\x01\x02" * 1000,
        b"\xff\xfed\x00n\x00:",
        b"version: 2\n\n",
    ],
)
def test_what_is_no_ldif_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "export.ldif"
    path.write_bytes(content)
    with pytest.raises(SourceError) as caught:
        Observed("ldap", path)
    assert "export.ldif" in str(caught.value)


def test_mutilated_directories_give_observations_rejections_or_a_source_error(
    tmp_path: Path,
) -> None:
    random_ = random.Random(20)
    whole = (OPENLDAP + "\n" + ACTIVE_DIRECTORY + NIS).encode()
    for _ in range(120):
        content = bytearray(whole[: random_.randrange(len(whole))])
        for _ in range(random_.randrange(12)):
            if content:
                place = random_.randrange(len(content))
                content[place : place + random_.randrange(3)] = random_.randbytes(2)
        path = tmp_path / "export.ldif"
        path.write_bytes(content)
        try:
            observed = Observed("ldap", path)
        except SourceError:
            continue
        assert not [t for t in observed.texts() if "secret-secret" in t]


def test_reading_takes_time_in_proportion_to_the_file(tmp_path: Path) -> None:
    photo = "\n ".join(["A" * 76] * 200_000)
    hostile = "+".join(["a=b"] * 5_000) + ",,"
    text = f"dn: cn=P,dc=x\nobjectClass: person\njpegPhoto:: {photo}\ncn: P\n\ndn: {hostile}\nobjectClass: person\n"
    path = written(tmp_path, text)
    start = time.process_time()
    observed = Observed("ldap", path)
    assert time.process_time() - start < 20
    assert [o.key for o in observed.observations] == ["cn=p,dc=x"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CN=Li Lei, OU=IT,DC=grid", "cn=li  lei,ou=it , dc=GRID"),
        (r"cn=Li\, Lei,dc=x", r"cn=Li\2C Lei,dc=x"),
        (r"cn=\E5\BC\A0\E4\B8\89,dc=x", "cn=张三,dc=x"),
        ('cn="Li, Lei",dc=x', r"cn=li\, lei;dc=x"),
        ("cn=A+sn=B,dc=x", "SN=b + CN=a,dc=x"),
        ("OID.2.5.4.3=a,dc=x", "2.5.4.3=a,dc=x"),
    ],
)
def test_a_name_has_one_key_however_it_is_written(one: str, other: str) -> None:
    assert key_of(parse_name(one)) == key_of(parse_name(other))


def test_different_names_have_different_keys() -> None:
    names = [r"cn=a\,b=c,dc=x", "cn=a,b=c,dc=x", r"cn=a\+b=c,dc=x", "cn=a+b=c,dc=x"]
    assert len({key_of(parse_name(name)) for name in names}) == 4
    assert domain_of(parse_name("cn=a,DC=Grid,dc=example")) == "grid.example"
    assert domain_of(parse_name("o=grid")) is None


def test_the_example_is_a_sound_tree_of_a_province_company() -> None:
    observed = Observed("ldap", EXAMPLE).sound()
    assert survey_of(EXAMPLE).counts == {"Person": 17, "Department": 10, "Team": 6}
    assert (len(observed.claims("MEMBER_OF")), len(observed.claims("PART_OF"))) == (16, 9)
    [li] = [o for o in observed.observations if o.attributes.get("employee_number") == "10021"]
    assert li.attributes["name"] == "李明"
    assert b"assword" not in EXAMPLE.read_bytes()


@pytest.mark.shared_data
def test_planet_express() -> None:
    folder = shared_data("ldif-planetexpress")
    observed = Observed("ldap", folder).sound()
    assert survey_of(folder).counts == {"Person": 7, "Team": 2, "Department": 1}
    assert Counter(o.type for o in observed.observations) == survey_of(folder).counts
    assert len(observed.claims("MEMBER_OF")) == 5
    amy = said_of(observed)["cn=amy wong+sn=kroker,ou=people,dc=planetexpress,dc=com"]
    assert amy.attributes == {
        "name": "Amy Wong",
        "username": "amy",
        "email": "amy@planetexpress.com",
    }
    assert amy.links == [Link("organisation", Ref("ou=people,dc=planetexpress,dc=com"))]
    crew = said_of(observed)["cn=ship_crew,ou=people,dc=planetexpress,dc=com"]
    assert [link.to for link in crew.links if link.name == "HAS_MEMBER"] == [
        Ref(f"cn={name},ou=people,dc=planetexpress,dc=com")
        for name in ("philip j. fry", "turanga leela", "bender bending rodriguez")
    ]
    assert not [t for t in observed.texts() if "ssha" in t.lower() or "/9j/" in t]


@pytest.mark.shared_data
def test_a_nis_export() -> None:
    path = shared_data("ldif-openldap") / "nis_sample.ldif"
    counts = survey_of(path).counts
    assert counts == {
        "Host": 34,
        "Subnet": 992,
        "oncrpc": 93,
        "ipservice": 89,
        "ipprotocol": 15,
        "Person": 25,
        "Team": 16,
        "Department": 1,
    }
    assert counts.total() == 1265
    observed = Observed("ldap", path)
    # Four entries bear the name of another (localhost, stiletto, nobody, a network). Of the
    # networks 169 have four octets and no mask, and two have a word for a number.
    assert Counter(r.reason for r in observed.rejections) == {
        "the entry has the name of an earlier entry": 4,
        "the entry has a network number with all octets and no mask (ipNetmaskNumber)": 169,
        "the entry has no network number": 2,
    }
    assert Counter(o.type for o in observed.observations) == {
        "Host": 32,
        "Subnet": 992 - 169 - 2 - 1,
        "Person": 24,
        "Team": 16,
        "Department": 1,
    }
    assert observed.unfit == []
    assert observed.repeated == {}
    everest = said_of(observed)["cn=mt-everest,o=sgi,c=us"]
    assert everest.attributes == {
        "name": "mt-everest",
        "hostname": "mt-everest",
        "domain": "engr.sgi.com",
        "management_ip": "150.166.97.201",
    }
    assert len(observed.claims("MEMBER_OF")) == 16


@pytest.mark.shared_data
def test_the_openldap_test_directory() -> None:
    path = shared_data("ldif-openldap") / "test.ldif"
    # Ten are OpenLDAPperson; the eleventh, cn=Manager, is a plain person. Beside the four units
    # the suffix itself is an organization.
    assert survey_of(path).counts == {"Person": 11, "Department": 5, "Team": 3}
    observed = Observed("ldap", path).sound()
    said = said_of(observed)
    assert len(said) == 19
    assert len(observed.claims("MEMBER_OF")) == 22
    assert {(c.target.key) for c in observed.claims("MEMBER_OF")} == {
        f"cn={name},ou=groups,dc=example,dc=com"
        for name in ("all staff", "alumni assoc staff", "itd staff")
    }
    assert {key: o.links for key, o in said.items() if o.type == "Department" and o.links} == {
        f"ou={name}": [Link("PART_OF", Ref(above))]
        for name, above in (
            ("people,dc=example,dc=com", "dc=example,dc=com"),
            ("groups,dc=example,dc=com", "dc=example,dc=com"),
            ("alumni association,ou=people,dc=example,dc=com", "ou=people,dc=example,dc=com"),
            (
                "information technology division,ou=people,dc=example,dc=com",
                "ou=people,dc=example,dc=com",
            ),
        )
    }
    barbara = said[
        "cn=barbara jensen,ou=information technology division,ou=people,dc=example,dc=com"
    ]
    assert barbara.attributes == {
        "name": "Barbara Jensen",
        "username": "bjensen",
        "email": "bjensen@mailgw.example.com",
        "phone": "+1 313 555 9022",
        "job_title": "Mythical Manager, Research Systems",
    }


@pytest.mark.shared_data
def test_passwords_of_the_openldap_test_directory_stay_there() -> None:
    for name in ("test.ldif", "test-ordered.ldif", "test-dirsync-nocp.ldif"):
        path = shared_data("ldif-openldap") / name
        lines = [line.partition(": ") for line in path.read_text().splitlines()]
        found = [value for key, _, value in lines if key.lower().rstrip(":") == "userpassword"]
        passwords = {base64.b64decode(value) for value in found}
        plain = {password.decode() for password in passwords}
        assert plain
        texts = set(Observed("ldap", path).sound().texts())
        accounts = {line[2] for line in lines if line[0] == "uid"}
        assert not (plain - accounts) & texts  # some passwords are the account's own name
        assert not set(found) & texts


@pytest.mark.shared_data
def test_the_openldap_dirsync_directory() -> None:
    path = shared_data("ldif-openldap") / "test-dirsync-nocp.ldif"
    counts = survey_of(path).counts
    assert counts == {"Person": 11, "Department": 6, "Team": 3}
    assert counts.total() == 20
    observed = Observed("ldap", path).sound()
    assert len(observed.claims("MEMBER_OF")) == 22
