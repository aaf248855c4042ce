"""Messages of HL7 version 2: what is right passes, what is not fails with where it is wrong and no value."""

from typing import Any

import pytest
from pipeline_builders import only, subject

from firedrill.api.datachecks import Hl7Check
from firedrill.engines.pipeline.hl7 import wrong_message
from firedrill.engines.pipeline.hl7lines import is_time

Object = dict[str, Any]
ADT = "MSH|^~\\&|A|B|C|D|20250101120000||ADT^A01|1|P|2.5\rEVN|A01|20250101\rPID|1||123^^^H||Doe^John\rPV1|1|I\r"
ORU = (
    "MSH|^~\\&|A|B|C|D|202501011200+0100||ORU^R01^ORU_R01|1|P|{}\rPID|1||123^^^H||Doe^John||1970\rPV1|1|I\r"
    'OBR|1|a|b|8867-4^HR^LN|||20250101\rOBX|1|TS|1^x^LN|1|20250101||||||F|||""\rNTE|1||x\r'
    "OBR|2|a|b|8867-4^HR^LN\rOBX|1|NM|8867-4^HR^LN|1|72|/min|||||F\rOBX|2|ST|1^x|1|gestern||||||F\r"
)
ACK = "MSH|^~\\&|A|B|C|D|20250101||ACK|1|P|2.3\rMSA|AA|1\r"


@pytest.mark.parametrize(
    ("text", "check", "why"),
    [
        (ADT, {}, ""),
        (ADT.replace("\r", "\n"), {"messageTypes": ["ADT^A01"], "segments": ["PID", "PV1"]}, ""),
        (ADT, {"structure": True}, ""),
        ("PID|1|Doe", {}, "does not begin with MSH"),
        ("MSH|^~\\&|A", {}, "MSH-7 is missing"),
        ("MSH", {}, "does not parse"),
        (ADT.replace("2.5", "9.9"), {}, "does not parse: UnsupportedVersion"),
        (ADT, {"messageTypes": ["ORU^R01"]}, "MSH-9 is none of the types that are allowed"),
        (ADT, {"segments": ["OBX"]}, "segment OBX is missing"),
        (ADT.replace("PID|1||123^^^H||Doe^John\r", ""), {"structure": True}, "Missing required child"),
        (ADT.replace("PV1|", "OBR|1|a\rPV1|"), {"structure": True}, "segment OBR has no place in the structure"),
    ],
)
def test_messages(text: str, check: Object, why: str) -> None:
    found = only(subject({"message": [ADT, text]}), {"hl7": check})
    assert (found.passed, why in found.detail) == (not why, True), found
    assert "Doe" not in found.detail


def with_line(line: str) -> str:
    return ADT.replace("PV1|", f"{line}\rPV1|")


@pytest.mark.parametrize("structure", [False, True])
@pytest.mark.parametrize(
    ("text", "why"),
    [
        (with_line("#### rubbish"), ""),
        (with_line("ABC|1"), ""),
        (with_line("pid|1"), ""),
        (with_line("NK1Muster Anna"), "line 4 is no segment"),
        (ADT.replace("PID|1||123^^^H||Doe^John", "PIDMuster Anna"), "line 3 is no segment"),
        (ADT.replace("20250101120000", "gestern"), "MSH-7 is not a time"),
        (ADT.replace("20250101120000", "20250230"), "MSH-7 is not a time"),
        (ADT.replace("20250101120000", "2025-01-01"), "MSH-7 is not a time"),
        (ADT.replace("A01|20250101", "A01|nodate"), "EVN-2 is not a time"),
        (ADT.replace("Doe^John", "Doe^John||nodate"), "PID-7 is not a time"),
        (ADT.replace("Doe^John", "Doe^John||nodate").replace("2.5", "2.8"), "PID-7 is not a time"),
        (ADT.replace("Doe^John", "Doe^John||nodate").replace("2.5", "2.1"), "PID-7 is not a time"),
        (ADT.replace("123^^^H", "123^^^H^^^nodate"), "PID-3 is not a time"),
        (ADT.replace("123^^^H", "123^^^H~4^^^H^^^nodate"), "PID-3 is not a time"),
        (ORU.format("2.5").replace("|20250101||||||F", "|gestern||||||F"), "OBX-5 is not a time"),
        (ADT.replace("ADT^A01", "FOO^BAR"), "MSH-9 is no type of version 2.5"),
        (ADT.replace("ADT^A01", "ADT^BAR"), "MSH-9 is no event of version 2.5"),
        (ADT.replace("ADT^A01", "FOO^BAR").replace("2.5", "2.2"), "MSH-9 is no type of version 2.2"),
    ],
)
def test_what_is_wrong_fails_with_its_structure_or_without(text: str, why: str, structure: bool) -> None:
    found = only(subject({"message": [ADT, text]}), {"hl7": {"structure": structure}})
    assert (found.passed, why in found.detail) == (False, True), found
    assert not [said for said in ("Muster", "gestern", "nodate", "FOO", "BAR", "rubbish") if said in found.detail]


@pytest.mark.parametrize("structure", [False, True])
@pytest.mark.parametrize(
    "text",
    [
        *(ORU.format(version) for version in ("2.3.1", "2.4", "2.5", "2.5.1", "2.6")),
        ADT.replace("ADT^A01", "ADT^A04^ADT_A01"),
        with_line("ZAB|anything|nodate"),
        ADT.replace("Doe^John", 'Doe^John||""'),
        ADT.replace("Doe^John", "Doe^John||19700101"),
        ADT.replace("20250101120000", "20250101120000.1234-0500"),
    ],
)
def test_what_is_right_passes(text: str, structure: bool) -> None:
    assert wrong_message(text, Hl7Check(structure=structure)) == ""


def test_a_message_may_separate_its_parts_by_other_marks() -> None:
    other = ADT.replace("^", "$").replace("|", "%")
    assert wrong_message(other, Hl7Check(message_types=["ADT^A01"])) == ""
    assert wrong_message(other.replace("A01%2025", "A01%x"), Hl7Check()) == "EVN-2 is not a time"


def test_an_acknowledgement_needs_no_event() -> None:
    assert wrong_message(ACK, Hl7Check()) == ""


@pytest.mark.parametrize("kind", ["ADT", "ADT^A04", "ADT^Z99", "ZAB^Z01", "QBP^Q11", "QBP^Q99", "ORM^O01", "SIU^S12"])
def test_types_of_a_version_and_of_a_site_pass(kind: str) -> None:
    assert wrong_message(ADT.replace("ADT^A01", kind), Hl7Check()) == ""


@pytest.mark.parametrize(
    ("text", "there_is"),
    [
        *((text, True) for text in ("2025", "202501", "20250131", "2025013123", "202501312359", "20250131235959")),
        *((text, True) for text in ("20240229", "20250131235959.1", "2025+0100", "20250131-1200")),
        *((text, False) for text in ("", "25", "20251", "20251301", "20250229", "2025010124", "20250101+1", "0000")),
        *((text, False) for text in ("20250101120000.", "20250101120060", "20250101T12", "２０２５")),
    ],
)
def test_times(text: str, there_is: bool) -> None:
    assert is_time(text) is there_is
