"""YAML texts of plain values; scalars that YAML 1.1 silently reads as something else are refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from math import inf
from pathlib import Path
from typing import Any

import yaml

from aca_ray.errors import ConfigError, shortened

MAX_BYTES = 262_144
MAX_VALUES = 50_000
MAX_DEPTH = 50
_WIDTH = 120  # characters of a written line

_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_TAGS = {f"{_TAG}{name}" for name in ("str", "int", "float", "bool", "null", "seq", "map", "merge")}
# Unambiguous spellings of numbers and of true and false.
_PLAIN = {
    f"{_TAG}int": re.compile(r"[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|0b[01_]+)"),
    f"{_TAG}float": re.compile(r"[^:]*"),
    f"{_TAG}bool": re.compile("true|false", re.IGNORECASE),
}
_STRANGE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")  # written as escapes in quotes
_FIELD = "."  # precedes a key in a place


class _Loader(yaml.SafeLoader):
    """A safe loader for which 1e-3 is a number, as in YAML 1.2."""


class _Dumper(yaml.SafeDumper):
    """A safe dumper that puts the string 1e-3 in quotes, and writes a text of several lines as such."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _side in (_Loader, _Dumper):
    _side.add_implicit_resolver(
        f"{_TAG}float", re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+"), list("-+.0123456789")
    )
_Dumper.add_representer(
    str, lambda dumper, text: dumper.represent_scalar(f"{_TAG}str", text, style="|" if "\n" in text else None)
)


def read_spec(path: Path) -> str:
    """Return the text of a spec, which is UTF-8 in every locale.

    Raises:
        ConfigError: the file can't be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from error
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{path}: cannot be read ({reason}); give the path of a sweep spec (YAML)") from error


def read_mapping(text: str, keys: Iterable[str], origin: str = "spec") -> dict[str, Any]:
    """Return the mapping in a YAML text; see `read_yaml`.

    Args:
        text: the text.
        keys: keys that the mapping may have, for messages; they are not checked.
        origin: place of the text, for messages.
    """
    try:
        value = read_yaml(text)
    except ConfigError as error:
        raise ConfigError(f"{origin}: {problem}" for problem in error.problems) from error
    if not isinstance(value, dict):
        raise ConfigError(f"{origin}: must be a mapping with the keys {', '.join(keys)}; found {shortened(value)}")
    return value


def write_yaml(value: Any) -> str:
    """Return the YAML text of a plain value, which `read_yaml` reads back to an equal one; keys keep their order."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH, default_flow_style=None)


def write_on_one_line(value: Any) -> str:
    """Return the YAML text of a plain value on one line; see `write_yaml`."""
    text = yaml.dump([value], Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=inf, default_flow_style=True)
    return text.strip().removeprefix("[").removesuffix("]")


def read_yaml(text: str) -> Any:
    """Return the value of a YAML text: mappings with strings as keys, lists, strings, numbers, booleans and None.

    Raises:
        ConfigError: the text is not valid YAML, is too large, or contains what no spec means: duplicate keys, other
            tags, dates, numbers with leading zeros or in base 60, `yes` and `no`. Misread scalars are all listed.
    """
    if len(text) > MAX_BYTES:
        raise ConfigError(f"has {len(text):,} characters; at most {MAX_BYTES:,} are read")
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        problems = list(_Check(loader, text).problems(node, ""))
        if problems:
            raise ConfigError(problems)
        return loader.construct_document(node)
    except ConfigError:
        raise
    except RecursionError as error:
        raise ConfigError(f"is not valid YAML: nested more than {MAX_DEPTH} deep") from error
    except Exception as error:  # PyYAML's own errors, and others that its constructors raise
        raise ConfigError(f"is not valid YAML: {' '.join(str(error).split())}") from error


class _Check:
    """Checks the nodes of a text before values are constructed."""

    def __init__(self, loader: _Loader, text: str) -> None:
        self._loader, self._text = loader, text
        self._sizes: dict[int, int] = {}
        self._open: set[int] = set()

    def problems(self, node: yaml.Node, place: str) -> Iterator[str]:
        """Yield the problems of a node and of everything below it, each node once."""
        if id(node) in self._open:
            raise ConfigError(f"{_at(node, place)}: contains itself through an alias")
        if id(node) in self._sizes:
            return
        if len(self._open) >= MAX_DEPTH:
            raise ConfigError(f"{_at(node, place)}: is nested more than {MAX_DEPTH} deep")
        self._open.add(id(node))
        if node.tag not in _TAGS:
            yield f"{_at(node, place)}: {_misread(node)}"
        elif isinstance(node, yaml.ScalarNode):
            if strange := _STRANGE.search(node.value):
                yield f"{_at(node, place)}: contains {strange[0]!r}, which files and databases reject; remove it"
            pattern = _PLAIN.get(node.tag)
            if pattern is not None and not pattern.fullmatch(node.value):
                yield f"{_at(node, place)}: {_misread(node, self._loader.construct_object(node))}"
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                yield from self.problems(item, f"{place}[{index}]")
        elif isinstance(node, yaml.MappingNode):
            yield from self._of_mapping(node, place)
        self._open.discard(id(node))
        self._sizes[id(node)] = size = 1 + sum(map(self._size, _parts(node)))
        if size > MAX_VALUES:
            raise ConfigError(
                f"{_at(node, place)}: has {size:,} values, counting aliases; at most {MAX_VALUES:,} are read"
            )

    def _of_mapping(self, node: yaml.MappingNode, place: str) -> Iterator[str]:
        seen = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.tag != _MERGE and key.tag != f"{_TAG}str":
                found = self._text[key.start_mark.index : key.end_mark.index][:100]
                raise ConfigError(f"line {line}: a key must be a string, found {found}; put it in quotes if it is one")
            if key.value in seen:
                raise ConfigError(f"line {line}: key {key.value!r} is given twice; keep one")
            seen.add(key.value)
            below = place if key.tag == _MERGE else f"{place}{_FIELD if place else ''}{key.value}"
            yield from self.problems(value, below)

    def _size(self, node: yaml.Node) -> int:
        return self._sizes.get(id(node), 1)


def _parts(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [value for _, value in node.value]
    return node.value if isinstance(node, yaml.SequenceNode) else []


def _at(node: yaml.Node, place: str) -> str:
    line = f"line {node.start_mark.line + 1}"
    return f"{place} ({line})" if place else line


def _misread(node: yaml.Node, value: object = None) -> str:
    """Return how YAML misreads a scalar, and how to write what was meant."""
    kind = node.tag.removeprefix(_TAG)
    text = node.value if isinstance(node, yaml.ScalarNode) else kind
    if kind == "timestamp":
        return f"YAML reads {text} as a date, but specs have none; write '{text}' for a string"
    if kind == "bool":
        return f"YAML reads {text} as {str(value).lower()}; write that, or '{text}' for a string"
    if kind in ("int", "float"):
        why = "in base 60" if ":" in text else "in base 8"
        digits = re.sub(r"^([-+]?)0+(?=.)", r"\1", text.replace("_", ""))
        meant = "" if ":" in text else f"{digits} for the number, or "
        return f"YAML reads {text} as {value}, {why}; write {meant}'{text}' for a string"
    return f"the tag {node.tag} is not supported; remove it"
