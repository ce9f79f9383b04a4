"""What looks like a secret is taken out of texts; what does not stays as it is."""

from __future__ import annotations

import pytest

from cmdb.reconciliation.secrets import REMOVED, without_secrets


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("https://li:s3cr3t@host.example/path", "https://host.example/path"),
        ("postgresql://app:p%40ss@db:5432/x?sslmode=on", "postgresql://db:5432/x?sslmode=on"),
        ("password=hunter2 host=db", f"password={REMOVED} host=db"),
        ('{"api_key": "abcdef", "host": "db"}', f'{{"api_key": {REMOVED}, "host": "db"}}'),
        ("token: abc123", f"token: {REMOVED}"),
        ("snmp-community=public2", f"snmp-community={REMOVED}"),
        ("管理密码：Grid@2026，备用", f"管理密码：{REMOVED}，备用"),
        ("口令 Abc12345", f"口令 {REMOVED}"),
        ("AKIAIOSFODNN7EXAMPLE", REMOVED),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", REMOVED),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig_nature", REMOVED),
        ("{SSHA}0123456789abcdef", REMOVED),
        ("root:$6$salt$hashhashhash:19000", f"root:{REMOVED}:19000"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", REMOVED),
    ],
)
def test_a_secret_is_taken_out(text: str, left: str) -> None:
    assert without_secrets(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "PowerEdge R740",
        "arn:aws:secretsmanager:us-east-1:123456789012:secret:app/db-AbCdEf",
        "AWS::SecretsManager::Secret",
        "arn:aws:lambda:us-east-1:123456789012:function:get-token:$LATEST",
        "https://host.example:8443/path?x=1",
        "Cisco IOS Software, C3560 Software (C3560-IPBASE-M), Version 12.2(25)SEB4",
        "密码学实验室",
        "00:1a:2b:3c:4d:5e",
        "hvac controller, keyboard, monkey",
        "git@github.com:org/repo.git",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert without_secrets(text) == text
