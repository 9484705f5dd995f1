"""Fields of a spec that take one item or several: `seeds=0`, `seeds=[0, 1]`, `seeds=range(6)`.

Type checkers and editors see descriptors, since a constructor takes more than a field holds: a field is always a tuple.
pydantic sees the tuple and its validators.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Generic

from pydantic import AfterValidator, BeforeValidator, Field
from typing_extensions import TypeVar  # that of typing has no defaults before Python 3.13

from aca_ray.config.problems import PLACE, ProblemError

MAX_ENTRIES = 10_000  # of a list, far above anything published

Item = TypeVar("Item")
Given = TypeVar("Given", default=Item)


def _as_list(value: Any) -> Any:
    """Return several items as a list, and a single one as a list of one; refuse lists that are too long."""
    if not isinstance(value, list | tuple | range):
        return [value]
    if len(value) > MAX_ENTRIES:
        raise ProblemError([f"{PLACE}: has {len(value):,} entries; at most {MAX_ENTRIES:,} are allowed"])
    return list(value)


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Refuse duplicate entries."""
    seen: set[Any] = set()
    mappings: list[Any] = []  # not hashable
    for value in values:
        hashable = isinstance(value, str | int)
        if value in (seen if hashable else mappings):
            raise ProblemError([f"{PLACE}: lists {value!r} twice; remove one"])
        if hashable:
            seen.add(value)
        else:
            mappings.append(value)
    return values


def _list_of(item: Any, least: int) -> Any:
    """Return the type of a list without duplicates; a single item may be written without the list."""
    return Annotated[tuple[item, ...], BeforeValidator(_as_list), Field(min_length=least), AfterValidator(_distinct)]


if TYPE_CHECKING:

    class Several(Generic[Item, Given]):
        """At least one item."""

        def __get__(self, owner: object, kind: Any = None) -> tuple[Item, ...]: ...
        def __set__(self, owner: object, value: Given | Sequence[Given]) -> None: ...

    class SeveralOrNone(Generic[Item]):
        """At least one item, or None."""

        def __get__(self, owner: object, kind: Any = None) -> tuple[Item, ...] | None: ...
        def __set__(self, owner: object, value: Item | Sequence[Item] | None) -> None: ...

    class AnyNumber(Generic[Item]):
        """Any number of items."""

        def __get__(self, owner: object, kind: Any = None) -> tuple[Item, ...]: ...
        def __set__(self, owner: object, value: Item | Sequence[Item]) -> None: ...

else:

    class Several:
        """At least one item. A second parameter tells type checkers what may be given for an item."""

        def __class_getitem__(cls, items: Any) -> Any:
            return _list_of(items[0] if isinstance(items, tuple) else items, least=1)

    class SeveralOrNone:
        """At least one item, or None."""

        def __class_getitem__(cls, item: Any) -> Any:
            return _list_of(item, least=1) | None

    class AnyNumber:
        """Any number of items."""

        def __class_getitem__(cls, item: Any) -> Any:
            return _list_of(item, least=0)
