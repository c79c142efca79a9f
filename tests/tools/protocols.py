"""Protocols outside the ports, and the classes that implement them, as far as names tell."""

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.tools.sources import Source

PORTS = "bot.core.ports"


@dataclass(frozen=True, slots=True)
class Shape:
    """A class: its module, the last names of its bases, and the names that its body defines."""

    module: str
    name: str
    bases: frozenset[str]
    members: frozenset[str]

    @property
    def is_protocol(self) -> bool:
        """Whether it is a Protocol."""
        return "Protocol" in self.bases


def lonely_protocols(modules: Sequence[Source]) -> dict[str, list[str]]:
    """Return the Protocols outside the ports that at most one class implements, with this class.

    A class implements a Protocol when it names it as a base, or defines or inherits all of its
    members. A Protocol of a function (`__call__`) is left out: functions implement it.
    """
    shapes = [shape for source in modules for shape in _shapes(source)]
    concrete = [shape for shape in shapes if not shape.is_protocol]
    by_name = {shape.name: shape for shape in shapes}
    found = dict[str, list[str]]()
    for protocol in shapes:
        if not _is_candidate(protocol):
            continue
        wanted = _all_members(protocol, by_name)
        users = [
            f"{shape.module}.{shape.name}"
            for shape in concrete
            if protocol.name in shape.bases or wanted <= _all_members(shape, by_name)
        ]
        if len(users) <= 1:
            found[f"{protocol.module}.{protocol.name}"] = users
    return found


def _is_candidate(shape: Shape) -> bool:
    in_ports = shape.module == PORTS or shape.module.startswith(f"{PORTS}.")
    return shape.is_protocol and not in_ports and "__call__" not in shape.members


def _all_members(shape: Shape, by_name: dict[str, Shape]) -> frozenset[str]:
    members, pending, seen = set(shape.members), list(shape.bases), {shape.name}
    while pending:
        base = pending.pop()
        if base in by_name and base not in seen:
            seen.add(base)
            members |= by_name[base].members
            pending.extend(by_name[base].bases)
    return frozenset(members)


def _shapes(source: Source) -> Iterable[Shape]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef):
            bases = frozenset(_last_name(base) for base in node.bases)
            yield Shape(source.name, node.name, bases, frozenset(_members(node)))


def _last_name(node: ast.expr) -> str:
    """Return the last part of a base: `b` for `a.b`, `Protocol` for `Protocol[T]`."""
    target = node.value if isinstance(node, ast.Subscript) else node
    return target.attr if isinstance(target, ast.Attribute) else ast.unparse(target)


def _members(node: ast.ClassDef) -> Iterable[str]:
    """Yield methods, fields, class attributes, and the attributes that methods assign to self."""
    for item in ast.walk(node):
        match item:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                yield name
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                yield name
