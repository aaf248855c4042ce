"""Texts that may be of persons, shown by their form alone."""

from typing import Final

#: Characters of a text that are shown at most.
SHOWN: Final = 64


def masked(value: str) -> str:
    """The form of a text: letters are a or A, digits 9, anything outside of ASCII a question mark."""
    made = "".join(_mark(character) for character in value[:SHOWN])
    return made + "…" if len(value) > SHOWN else made


def _mark(character: str) -> str:
    if not character.isascii():
        return "?"
    if character.isdigit():
        return "9"
    if character.isalpha():
        return "A" if character.isupper() else "a"
    return character
