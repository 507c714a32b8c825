"""What it takes to declare a setting."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from appliance.settings.kinds import Kind

Value = TypeVar("Value")
MARK = "postroom setting"


@dataclass(frozen=True, slots=True)
class Declared(Generic[Value]):
    """What is known of a setting before any value is given."""

    kind: Kind[Value]
    default: Value
    meaning: str


def setting(kind: Kind[Value], default: object, meaning: str) -> Value:
    """A field that is declared so.

    Raises:
        ValueError: the default is none of its kind.
    """
    value = kind.read(default)
    return field(default=value, metadata={MARK: Declared(kind, value, meaning)})
