"""Floor 0: small objects that never change and keys of tables, at a low price."""

from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[T]) -> type[T]:
    """A frozen dataclass with slots, which the type checker keeps frozen.

    For what a mail's walk makes: seventy such objects, and Python's own guard
    (``frozen=True``) makes each three times as dear, a twentieth of all that a mail
    costs. They are compared, hashed and replaced as any other; what is made rarely, or
    by callers who are not checked, stays ``@dataclass(frozen=True, slots=True)``.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)


class Key(Enum):
    """An enumeration whose members are looked up in tables all day.

    Enum hashes by name, in Python; a member is only ever equal to itself.
    """

    __hash__ = object.__hash__
