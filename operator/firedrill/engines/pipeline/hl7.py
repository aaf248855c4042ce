"""Messages of HL7 version 2, parsed by hl7apy; what it lets pass, line by line."""

from typing import Any

from firedrill.api.datachecks import Hl7Check
from firedrill.engines.pipeline.finding import Finding
from firedrill.engines.pipeline.hl7lines import misplaced, wrong_lines, wrong_type
from firedrill.engines.pipeline.subject import Subject
from firedrill.engines.pipeline.texts import each_text


def hl7(check: Hl7Check, subject: Subject) -> list[Finding]:
    """Share of messages that are not right."""
    hint = "read the data with format hl7"
    return each_text("hl7", check.column, subject, check.max_share, lambda text: wrong_message(text, check), hint)


def wrong_message(text: str, check: Hl7Check) -> str:
    """Why a text is no right message, naming segments and fields and no value; empty where it is one."""
    from hl7apy.exceptions import HL7apyException
    from hl7apy.parser import parse_message

    plain = text.replace("\r\n", "\r").replace("\n", "\r")
    if not plain.startswith("MSH"):
        return "does not begin with MSH"
    try:
        message = parse_message(plain, find_groups=check.structure)
        names = [segment.name for segment in _segments(message)]
        header = {field: getattr(message.msh, f"msh_{field}").to_er7() for field in (7, 9, 10, 12)}
    except HL7apyException as error:
        return f"does not parse: {type(error).__name__}"
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        # What the library does not foresee.
        return f"does not parse: {type(error).__name__}"
    for field, value in header.items():
        if not value:
            return f"MSH-{field} is missing"
    wrong = wrong_lines(plain.lstrip(), message.version)
    if wrong:
        return wrong
    mark = plain[4:5]
    kind = "^".join(header[9].split(mark)[:2])
    wrong = wrong_type(kind, message.version)
    if wrong:
        return wrong
    if check.message_types and kind not in check.message_types:
        return "MSH-9 is none of the types that are allowed"
    lacking = [name for name in check.segments if name not in names]
    if lacking:
        return f"segment {lacking[0]} is missing"
    return (_structure(message) or misplaced(plain, names)) if check.structure else ""


def _structure(message: Any) -> str:
    from hl7apy.exceptions import HL7apyException

    try:
        message.validate()
    except HL7apyException as error:
        # Messages of hl7apy name segments and fields; values are cut off.
        return str(error).split("'")[0].split(":")[0].strip()[:100] or type(error).__name__
    except AttributeError:
        return "its type has no structure in this version, or it has segments of its own"
    return ""


def _segments(element: Any) -> list[Any]:
    found = []
    for child in element.children:
        found += _segments(child) if child.classname == "Group" else [child]
    return found
