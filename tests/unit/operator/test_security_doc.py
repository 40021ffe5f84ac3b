"""docs/security.md names every attack that is tested and no other; templates and operator have the same lists."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from tests.api.policies.attacks import ATTACKS

from tradingbot_operator.policy.approval import MAX_VALIDITY, RISKED

ROOT = Path(__file__).parents[3]
DOCUMENT = (ROOT / "docs/security.md").read_text(encoding="utf-8")
POLICIES = ROOT / "charts/tradingbot-operator/templates/policies"
SECTION = DOCUMENT.partition("\n## The attacks\n")[2].partition("\n## ")[0]
LISTED = re.findall(r"^\| `([^`]+)` \| \S", SECTION, re.MULTILINE)


def test_every_attack_that_is_listed_is_tested_and_every_one_that_is_tested_is_listed() -> None:
    assert Counter(LISTED) == Counter(attack.id for attack in ATTACKS)
    assert len(set(LISTED)) >= 40


def test_every_other_attack_has_its_test_beside_it() -> None:
    """A name that does not exist fails in tests/unit/test_repository.py."""
    rows = re.findall(r"^\| ([^`|-][^|]*)\|(.*)\|$", SECTION, re.MULTILINE)
    attacks = [row for row in rows if not row[0].startswith(("attack", "what is tried"))]
    assert len(attacks) >= 60
    untested = [attack for attack, rest in attacks if not re.search(r"`(tests/[\w/]+\.py(::\w+)?|make bench)`", rest)]
    assert untested == []


def test_every_value_of_the_policies_is_in_the_document() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(POLICIES.iterdir()))
    used = set(re.findall(r'dig "(\w+)"', text))
    assert set(re.findall(r"^\| `policies\.(\w+)` \|", DOCUMENT, re.MULTILINE)) == used


@pytest.mark.parametrize("field", sorted(RISKED))
def test_the_policies_look_at_every_field_that_is_approved(field: str) -> None:
    helpers = (POLICIES / "_policies.tpl").read_text(encoding="utf-8")
    place = "database.?secretRef" if field == "database" else field
    assert f"variables.new.?{place} != variables.old.?{place}" in helpers


def test_the_policies_and_the_operator_have_the_same_longest_approval() -> None:
    assert f'dig "maxApprovalDays" {MAX_VALIDITY.days} ' in (POLICIES / "approval.yaml").read_text(encoding="utf-8")
