"""Genotypes as other codebases print them: in logs, in genotypes.py, in tables of papers.

Codebases of the DARTS family print `Genotype(normal=[('skip_connect', 1), ...], normal_concat=range(2, 6), ...)`, with
two entries per node; those of NAS-Bench-201 print architecture strings. Surrounding text (a name and an equals sign,
the time of a log line) is ignored. The text is never evaluated.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator

from aca_ray.errors import ConfigError
from aca_ray.space.genotype import CellGenotype, Genotype, KeptEdge
from aca_ray.space.nasbench201 import parse_architecture_string

MAX_CHARACTERS = 1_000_000  # of a log
_CALL = re.compile(r"\bGenotype\(")
_NAME = re.compile(r"(\w+)\s*[:=]\s*$")
_BEFORE = 200  # characters before a call in which its name is looked for
_ARCHITECTURE = re.compile(r"(?<![^\s'\"(=:])\|(?:\w+~\d+\|)+(?:\+\|(?:\w+~\d+\|)+)+")
_FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")
_ENTRIES_PER_NODE = 2
_MAX_NODES = 100


def is_printed(text: str) -> bool:
    """Return whether a text is a printed genotype, rather than a name or a path."""
    return bool(_CALL.search(text[:MAX_CHARACTERS]) or _ARCHITECTURE.search(text[:MAX_CHARACTERS]))


def parse_printed(text: str) -> Genotype:
    """Return the genotype in a text.

    Raises:
        ConfigError: the text contains no genotype, different ones, or a malformed one.
    """
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(f"genotype: the text has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read")
    found = dict.fromkeys(_calls(text))
    found |= dict.fromkeys(match[0] for match in _ARCHITECTURE.finditer(text))
    if not found:
        raise ConfigError(
            "genotype: the text contains none; needs Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat=..., "
            "reduce=[...], reduce_concat=...) or an architecture string |op~0|+|op~0|op~1|+|op~0|op~1|op~2|"
        )
    genotypes = [parse_architecture_string(one) if one.startswith("|") else _parse_call(one) for one in found]
    if any(genotype != genotypes[0] for genotype in genotypes):
        names = ", ".join(_names(text))
        raise ConfigError(
            f"genotype: the text contains {len(found)} different ones{f' ({names[:500]})' if names else ''}; "
            "give the text of one"
        )
    return genotypes[0]


def printed_title(text: str) -> str:
    """Return a short name for a printed genotype: the name that it is assigned to, or one with its digest."""
    names = [name for name in _names(text) if name != "genotype" and len(name) <= 100]
    if len(names) == 1:
        return names[0]
    return f"genotype_{hashlib.sha256(''.join(text.split()).encode(errors='replace')).hexdigest()[:8]}"


def _names(text: str) -> list[str]:
    """Return the names that calls are assigned to, each once."""
    found = (_NAME.search(text[max(0, call.start() - _BEFORE) : call.start()]) for call in _CALL.finditer(text))
    return list(dict.fromkeys(match[1] for match in found if match))


def _calls(text: str) -> Iterator[str]:
    """Yield every `Genotype(...)` of a text, up to its closing bracket."""
    for match in _CALL.finditer(text):
        start, depth, quote = match.start(), 0, ""
        for position in range(match.end() - 1, len(text)):
            character = text[position]
            if quote:
                quote = "" if character == quote else quote
            elif character in "'\"":
                quote = character
            elif character in "([{":
                depth += 1
            elif character in ")]}":
                depth -= 1
                if depth == 0:
                    yield text[start : position + 1]
                    break
        else:
            raise ConfigError("genotype: Genotype( is not closed; give the whole text")


def _parse_call(text: str) -> Genotype:
    try:
        call = ast.parse(" ".join(text.split()), mode="eval").body
        assert isinstance(call, ast.Call)
        given = dict(zip(_FIELDS, call.args, strict=False)) | {str(word.arg): word.value for word in call.keywords}
        if set(given) != set(_FIELDS):
            raise ConfigError(f"genotype: Genotype(...) needs {', '.join(_FIELDS)}, found {', '.join(given) or 'none'}")
        return Genotype(*(_cell(given[name], given[f"{name}_concat"], name) for name in ("normal", "reduce")))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(f"genotype: Genotype(...) cannot be read ({error})") from error


def _cell(entries: ast.expr, concat: ast.expr, name: str) -> CellGenotype:
    pairs = [_items(pair, name) for pair in _items(entries, name)]
    nodes = tuple(_integer(node, f"{name}_concat") for node in _concat(concat))
    edges = []
    for index, pair in enumerate(pairs):
        if len(pair) != 2 or not (isinstance(pair[0], ast.Constant) and isinstance(pair[0].value, str)):
            raise ConfigError(f"genotype: {name}[{index}] must be a pair such as ('sep_conv_3x3', 0)")
        edges.append(KeptEdge(pair[0].value, _integer(pair[1], name), 2 + index // _ENTRIES_PER_NODE))
    if len(edges) % _ENTRIES_PER_NODE:
        raise ConfigError(f"genotype: {name} must have two entries per node, found {len(edges)}")
    return CellGenotype(tuple(edges), nodes)


def _items(node: ast.expr, place: str) -> list[ast.expr]:
    if not isinstance(node, ast.List | ast.Tuple) or len(node.elts) > _MAX_NODES * _ENTRIES_PER_NODE:
        raise ConfigError(f"genotype: {place} must be a list of pairs such as ('sep_conv_3x3', 0)")
    return node.elts


def _concat(node: ast.expr) -> list[ast.expr]:
    """Return the entries of a list, or of a range written as a call."""
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("list", "tuple"):
        node = node.args[0] if len(node.args) == 1 else ast.List([], ast.Load())
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range":
        bounds = [_integer(bound, "range") for bound in node.args]
        if 1 <= len(bounds) <= 2 and all(0 <= bound <= _MAX_NODES for bound in bounds):
            return [ast.Constant(number) for number in range(*bounds)]
    return _items(node, "concat")


def _integer(node: ast.expr, place: str) -> int:
    if isinstance(node, ast.Call) and ast.unparse(node.func) in ("np.int64", "numpy.int64") and len(node.args) == 1:
        node = node.args[0]
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    raise ConfigError(f"genotype: {place} must contain integers, found {ast.unparse(node)[:100]}")
