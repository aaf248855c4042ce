"""Resources of FHIR: what is valid passes, what is not fails with where it is wrong and no value."""

import importlib
import json
import pkgutil
from typing import Any

import pytest
from pipeline_builders import only, report, subject

from firedrill.api.verdict import Verdict
from firedrill.engines.pipeline.fhir import wrong_resource
from firedrill.engines.pipeline.fhircodes import R4_ONLY
from firedrill.engines.pipeline.fhirjson import fields_of, model_of

Object = dict[str, Any]
CODE: Object = {"coding": [{"system": "http://loinc.org", "code": "8867-4", "display": "Heart rate"}]}
UNKNOWN: Object = {
    "extension": [
        {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"},
    ]
}
DIV = '<div xmlns="http://www.w3.org/1999/xhtml"><p>x</p></div>'

#: Fields beside resourceType, by type; each is valid.
VALID: list[tuple[str, Object]] = [
    ("Patient", {}),
    ("Patient", {"active": True, "gender": "unknown", "birthDate": "1970", "deceasedBoolean": False}),
    ("Patient", {"birthDate": "1970-02", "_birthDate": UNKNOWN, "deceasedDateTime": "2020-02-29T10:00:00.123+01:00"}),
    ("Patient", {"_birthDate": UNKNOWN, "_gender": UNKNOWN, "multipleBirthInteger": 2}),
    ("Patient", {"name": [{"use": "official", "family": "x", "given": ["a", None], "_given": [None, UNKNOWN]}]}),
    ("Patient", {"name": [{"_given": [UNKNOWN]}], "address": [{"use": "home", "type": "both", "line": ["a", "b"]}]}),
    ("Patient", {"contact": [{"name": {"text": "x"}}], "photo": [{"contentType": "image/png", "data": "aGk="}]}),
    ("Patient", {"contact": [{"name": {"text": "x"}}], "photo": [{"data": "aGk1\nMjM0"}, {"url": "Binary/1"}]}),
    (
        "Patient",
        {
            "id": "a-1.b",
            "meta": {"lastUpdated": "2025-01-01T00:00:00Z", "profile": ["http://x.ch/p|1.0"], "versionId": "1"},
            "text": {"status": "generated", "div": DIV},
            "contained": [{"resourceType": "Organization", "id": "o", "name": "x", "active": True}],
            "managingOrganization": {"reference": "#o"},
            "extension": [
                {"url": "http://x.ch/e", "valueDecimal": 1e-7},
                {"url": "http://x.ch/e", "extension": [{"url": "a", "valueBase64Binary": "AAEC"}]},
                {"url": "http://x.ch/e", "valueQuantity": {"comparator": ">=", "value": -0.5}},
                {"url": "http://x.ch/e", "valueAge": {"comparator": "<", "value": 3, "unit": "a"}},
                {"url": "http://x.ch/e", "valueExpression": {"language": "text/x-own", "expression": "1"}},
            ],
            "communication": [{"language": {"text": "de"}, "preferred": True}],
            "link": [{"other": {"reference": "Patient/2"}, "type": "seealso"}],
        },
    ),
    ("Observation", {"status": "corrected", "code": CODE, "valueQuantity": {"value": 12, "unit": "mg"}}),
    ("Observation", {"status": "entered-in-error", "code": CODE, "valueQuantity": {"value": 12.50, "code": "mg"}}),
    ("Observation", {"status": "final", "code": CODE, "valueTime": "23:59:60"}),
    ("Observation", {"status": "final", "code": CODE, "effectiveInstant": "2025-01-01T00:00:00Z"}),
    ("Observation", {"status": "final", "code": CODE, "valueInteger": 0, "effectiveDateTime": "2025"}),
    ("Observation", {"status": "cancelled", "code": CODE, "dataAbsentReason": {"text": "x"}}),
    ("Observation", {"_status": UNKNOWN, "code": CODE}),
    (
        "Observation",
        {
            "status": "amended",
            "code": CODE,
            "component": [
                {"code": CODE, "valueRange": {"low": {"value": 1}}},
                {"code": CODE, "valueSampledData": {"origin": {"value": 0}, "period": 9, "dimensions": 1, "data": "E"}},
            ],
            "effectiveTiming": {
                "repeat": {"dayOfWeek": ["mon", "sun"], "periodUnit": "wk", "frequency": 1, "period": 1.0},
                "event": ["2025-01", "2025-01-31"],
            },
        },
    ),
    ("Encounter", {"status": "entered-in-error", "class": {"code": "IMP"}, "period": {"start": "2025-01-01"}}),
    ("DiagnosticReport", {"status": "appended", "code": CODE, "issued": "2015-02-07T13:28:17.239+02:00"}),
    ("Task", {"status": "in-progress", "intent": "order", "input": [{"type": CODE, "valueUrl": "http://x.ch"}]}),
    ("Questionnaire", {"status": "active", "item": [{"linkId": "1", "type": "open-choice", "maxLength": 5}]}),
    ("MedicationRequest", {
        "status": "active", "intent": "order", "medicationCodeableConcept": CODE, "subject": {"reference": "Patient/1"},
        "dosageInstruction": [{"asNeededBoolean": False, "timing": {"repeat": {"boundsPeriod": {"end": "2025"}}}}],
        "substitution": {"allowedBoolean": True},
    }),
    ("AllergyIntolerance", {"patient": {"reference": "Patient/1"}, "category": ["food"], "criticality": "high"}),
    ("Condition", {"subject": {"reference": "Patient/1"}, "onsetAge": {"value": 40, "unit": "a"}}),
    ("Binary", {"contentType": "application/pdf", "data": "JVBERi0xLjQ="}),
    ("Parameters", {"parameter": [{"name": "a", "valueUri": "urn:x"}]}),
    ("Parameters", {"parameter": [{"name": "b", "resource": {"resourceType": "Patient", "gender": "male"}}]}),
    ("Bundle", {"type": "transaction", "entry": [
        {
            "fullUrl": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
            "resource": {"resourceType": "Patient", "gender": "male"},
            "request": {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=http://x|1"},
        },
        {"request": {"method": "DELETE", "url": "Patient/1"}},
    ]}),
    ("Bundle", {"type": "searchset", "total": 0, "link": [{"relation": "self", "url": "http://x.ch/Patient?a=1"}]}),
    ("CapabilityStatement", {
        "status": "draft", "date": "2025", "kind": "requirements", "fhirVersion": "4.3.0",
        "format": ["application/fhir+json"],
    }),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "fields"), VALID)
def test_what_is_valid_passes(kind: str, fields: Object) -> None:
    assert wrong_resource(json.dumps({"resourceType": kind, **fields}), frozenset()) == ""


def observation(**fields: Any) -> Object:
    return {"resourceType": "Observation", "status": "final", "code": CODE, **fields}


def patient(**fields: Any) -> Object:
    return {"resourceType": "Patient", **fields}


def entry(resource: Object) -> Object:
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": resource}]}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (patient(gender="banana"), "Patient.gender is none of its codes"),
        (patient(gender="Male"), "Patient.gender is none of its codes"),
        (patient(active="true"), "Patient.active is not a boolean"),
        (patient(active=1), "Patient.active is not a boolean"),
        (patient(birthDate=19700101), "Patient.birthDate is not a string"),
        (patient(birthDate=1970), "Patient.birthDate is not a string"),
        (patient(multipleBirthInteger=1.0), "Patient.multipleBirthInteger is not an integer"),
        (patient(multipleBirthInteger="1"), "Patient.multipleBirthInteger is not an integer"),
        (patient(multipleBirthInteger=True), "Patient.multipleBirthInteger is not an integer"),
        (patient(name=[]), "Patient.name is an empty array"),
        (patient(name={"family": "banana"}), "Patient.name is not an array"),
        (patient(name=["banana"]), "Patient.name[] is not an object"),
        (patient(name=[None]), "Patient.name[] is null"),
        (patient(name=[{"family": ""}]), "Patient.name[].family is an empty string"),
        (patient(name=[{"given": []}]), "Patient.name[].given is an empty array"),
        (patient(name=[{"given": [None]}]), "Patient.name[].given[] is null"),
        (patient(name=[{"given": ["a", None], "_given": [UNKNOWN]}]), "Patient.name[].given[] is null"),
        (patient(name=[{"given": [None], "_given": [None]}]), "Patient.name[].given[] is null"),
        (patient(name=[{"given": ["a"], "_given": [{}]}]), "Patient.name[]._given[] is an empty object"),
        (patient(name=[{"use": "banana"}]), "Patient.name[].use is none of its codes"),
        (patient(gender=None), "Patient.gender is null"),
        (patient(gender=None, _gender=UNKNOWN), "Patient.gender is null"),
        (patient(gender=["male"]), "Patient.gender is not a string"),
        (patient(birthDate="1970-01-01", _birthDate={}), "Patient._birthDate is an empty object"),
        (patient(birthDate__ext=UNKNOWN), "Patient has an unknown field"),
        (patient(fhir_comments="banana"), "Patient has an unknown field"),
        (patient(contact=[{}]), "Patient.contact[] is an empty object"),
        (patient(maritalStatus={}), "Patient.maritalStatus is an empty object"),
        (patient(maritalStatus="banana"), "Patient.maritalStatus is not an object"),
        (patient(id="a b"), "Patient.id is not valid"),
        (patient(id="a" * 65), "Patient.id is not valid"),
        (patient(implicitRules="banana split"), "Patient.implicitRules is not valid"),
        (patient(photo=[{"data": "!!!!"}]), "Patient.photo[].data is not valid"),
        (patient(birthDate="1970-02-30"), "Patient.birthDate: is not valid"),
        (patient(meta={"lastUpdated": "2025-01-01"}), "Patient.meta.lastUpdated: is not valid"),
        (patient(deceasedBoolean=False, deceasedDateTime="2025"), "Patient"),
        (patient(contained=[{"id": "1"}]), "Patient.contained[].resourceType is missing"),
        (patient(contained=[{"resourceType": "Banana"}]), "Patient.contained[].resourceType is no type of R4B"),
        (patient(contained=[{"resourceType": "HumanName"}]), "Patient.contained[].resourceType is no type of R4B"),
        (patient(contained=[patient(gender="banana")]), "Patient.contained[].gender is none of its codes"),
        ({"resourceType": "HumanName", "family": "banana"}, "resourceType is no type of R4B"),
        ({"resourceType": "Resource"}, "resourceType is no type of R4B"),
        (observation(status="whatever"), "Observation.status is none of its codes"),
        (observation(status="+"), "Observation.status is none of its codes"),
        (observation(valueQuantity={"value": "12"}), "Observation.valueQuantity.value is not a number"),
        (observation(valueQuantity={"value": True}), "Observation.valueQuantity.value is not a number"),
        (observation(valueQuantity={"comparator": "~"}), "Observation.valueQuantity.comparator is none of its codes"),
        (observation(valueBoolean="banana"), "Observation.valueBoolean is not a boolean"),
        (observation(valueString=12), "Observation.valueString is not a string"),
        (observation(component=[{"code": CODE, "valueInteger": "1"}]), "Observation.component[].valueInteger is not"),
        (
            observation(extension=[{"url": "http://x.ch", "valueAge": {"comparator": "banana"}}]),
            "Observation.extension[].valueAge.comparator is none of its codes",
        ),
        ({"resourceType": "Bundle", "type": "banana"}, "Bundle.type is none of its codes"),
        (entry(patient(gender="banana")), "Bundle.entry[].resource.gender is none of its codes"),
        (entry(patient(active="true")), "Bundle.entry[].resource.active is not a boolean"),
        (entry({"resourceType": "Observation", "status": "final"}), "is missing"),
        (
            {"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "BANANA", "url": "x"}}]},
            "Bundle.entry[].request.method is none of its codes",
        ),
        ({"resourceType": "AllergyIntolerance", "category": ["food", "banana"]}, "category[] is none of its codes"),
    ],
)
def test_what_is_not_valid_fails_and_says_where(body: Object, why: str) -> None:
    found = only(subject({"line": [json.dumps(patient()), json.dumps(body)]}), {"fhir": {}})
    assert (found.passed, why in found.detail) == (False, True), found
    assert "banana" not in found.detail.lower()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"resourceType": "Patient", "id": "a", "id": "b"}', "a key is there twice"),
        ('{"resourceType": "Patient", "name": [{"text": "a", "text": "a"}]}', "a key is there twice"),
        ('{"resourceType": "Basic", "extension": [{"url": "x", "valueDecimal": NaN}]}', "not JSON"),
        ('{"resourceType": "Patient", "extension": ' + '[{"extension": ' * 400 + "1" + "}]" * 400 + "}", "Patient"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_json_that_readers_do_not_agree_on_fails(text: str, why: str) -> None:
    assert why in wrong_resource(text, frozenset())


R4 = json.dumps({"resourceType": "EffectEvidenceSynthesis", "status": "draft"})
IN_BUNDLE = json.dumps(entry({"resourceType": "MedicinalProduct", "name": []}))
GOOD, BAD = json.dumps(patient()), json.dumps(patient(active="x"))


@pytest.mark.parametrize(
    ("texts", "check", "passed", "said"),
    [
        ([GOOD, R4], {}, None, "EffectEvidenceSynthesis is a type of R4 that can not be checked here (1)"),
        ([GOOD, IN_BUNDLE], {}, None, "Bundle.entry[].resource is a type of R4 that can not be checked here (1)"),
        ([R4], {}, None, "0 of 1 rows"),
        ([R4, BAD], {}, False, "1 of 2 rows"),
        ([R4, GOOD, GOOD, GOOD], {"maxShare": 0.25}, True, "1 could not be checked"),
        ([R4, BAD, GOOD, GOOD], {"maxShare": 0.25}, None, "1 could not be checked"),
        ([R4, GOOD], {"resourceTypes": ["Patient"]}, False, "is not one of those allowed"),
    ],
)
def test_types_that_r4b_has_given_up_leave_it_undecided(
    texts: list[str], check: Object, passed: bool | None, said: str
) -> None:
    found = only(subject({"line": texts}), {"fhir": check})
    assert (found.passed, said in found.detail) == (passed, True), found


def test_a_type_that_can_not_be_checked_is_inconclusive() -> None:
    assert report(subject({"line": [GOOD, R4]}), {"fhir": {}}).verdict is Verdict.INCONCLUSIVE


def test_r4b_has_none_of_the_types_that_it_has_given_up() -> None:
    assert [kind for kind in R4_ONLY if model_of(kind) is not None] == []


def test_all_fields_of_all_types_are_understood_and_all_lists_of_codes_are_whole() -> None:
    import fhir.resources.R4B as library
    from fhir_core.fhirabstractmodel import FHIRAbstractModel

    modules = [
        importlib.import_module(f"{library.__name__}.{each.name}") for each in pkgutil.iter_modules(library.__path__)
    ]
    models = {
        each
        for module in modules
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, FHIRAbstractModel) and each.__module__ == module.__name__
    }
    fields = [(model.__name__, name, field) for model in models for name, field in fields_of(model).items()]
    assert len(fields) > 5000
    listed = [(model, name) for model, name, field in fields if {"+", "etc."} & field.codes]
    assert listed == []
