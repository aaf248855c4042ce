"""Codes that a field of R4B must be one of (required bindings), and types of resources that R4B has given up.

fhir.resources lists codes as the short text of a definition does, which leaves some out: a "+" stands for more. What is
put right here is from the value sets of the definitions (hl7.fhir.r4b.core 4.3.0), by way of the types that are
generated from them (@types/fhir 0.0.41, r4b.d.ts); R4_ONLY is r4.d.ts without r4b.d.ts.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

_RESULT: Final = ("cancelled", "corrected", "entered-in-error", "unknown")
#: Codes that a list of the library lacks, by type and field.
_MORE: Final[Mapping[tuple[str, str], tuple[str, ...]]] = MappingProxyType(
    {
        ("DetectedIssue", "status"): _RESULT,
        ("DeviceUdiCarrier", "entryType"): ("card", "self-reported", "unknown"),
        ("DeviceUseStatement", "status"): ("intended", "on-hold", "stopped"),
        ("DiagnosticReport", "status"): ("amended", "appended", *_RESULT),
        ("Encounter", "status"): ("entered-in-error", "unknown"),
        ("EncounterStatusHistory", "status"): ("entered-in-error", "unknown"),
        ("Observation", "status"): _RESULT,
        ("Quantity", "comparator"): ("<", "<=", ">=", ">"),
        ("QuestionnaireItem", "type"): (
            *("attachment", "choice", "open-choice", "quantity", "question"),
            *("reference", "string", "text", "time", "url"),
        ),
        ("RiskAssessment", "status"): _RESULT,
        ("StructureMapGroupRuleTarget", "transform"): (
            *("append", "c", "cast", "cc", "cp", "dateOp", "escape", "evaluate"),
            *("id", "pointer", "qty", "reference", "translate", "truncate", "uuid"),
        ),
        ("SupplyRequest", "status"): ("cancelled", "completed", "entered-in-error", "unknown"),
        ("Task", "status"): (
            *("cancelled", "completed", "entered-in-error", "failed"),
            *("in-progress", "on-hold", "ready", "rejected"),
        ),
    }
)
#: Lists of the library that are examples: the field may hold other codes.
_OPEN: Final = frozenset({("CapabilityStatement", "format"), ("Expression", "language")})

#: Resources of R4 (4.0.1) that R4B (4.3.0) has no definition of.
R4_ONLY: Final = frozenset(
    {
        "EffectEvidenceSynthesis",
        "MedicinalProduct",
        "MedicinalProductAuthorization",
        "MedicinalProductContraindication",
        "MedicinalProductIndication",
        "MedicinalProductIngredient",
        "MedicinalProductInteraction",
        "MedicinalProductManufactured",
        "MedicinalProductPackaged",
        "MedicinalProductPharmaceutical",
        "MedicinalProductUndesirableEffect",
        "RiskEvidenceSynthesis",
        "SubstanceNucleicAcid",
        "SubstancePolymer",
        "SubstanceProtein",
        "SubstanceReferenceInformation",
        "SubstanceSourceMaterial",
        "SubstanceSpecification",
    }
)


def codes_of(model: Any, name: str, listed: Iterable[str]) -> frozenset[str]:
    """Codes that a field may hold, from those that the library lists; empty where any may stand.

    Fields are inherited (Age has those of Quantity), and so are corrections.
    """
    keys = [(each.__name__, name) for each in model.__mro__]
    if any(key in _OPEN for key in keys):
        return frozenset()
    more = next((_MORE[key] for key in keys if key in _MORE), ())
    return frozenset({*listed, *more} - {"+"})
