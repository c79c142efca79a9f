"""The imports between modules, and the circles among them (strongly connected components)."""

import ast
from collections.abc import Iterable, Iterator, Mapping

from tests.tools.sources import Source


def imports_of(modules: Iterable[Source]) -> dict[str, set[str]]:
    """Return for each module the modules of the same set that it imports.

    Every import statement counts, also inside functions and under `TYPE_CHECKING`. A name that is
    itself a module stands for this module, any other for the module that it is taken from.
    """
    by_name = {source.name: source for source in modules}
    return {
        name: {target for target in _targets(source, by_name) if target != name}
        for name, source in by_name.items()
    }


def _targets(source: Source, known: Mapping[str, Source]) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(source, node)
            for alias in node.names:
                submodule = f"{origin}.{alias.name}"
                if submodule in known:
                    yield submodule
                elif origin in known:
                    yield origin


def _origin(source: Source, node: ast.ImportFrom) -> str:
    """Return the absolute name behind `from`, relative imports resolved."""
    if not node.level:
        return node.module or ""
    parts = source.name.split(".")
    above = node.level - 1 if source.is_package else node.level
    return ".".join([*parts[: len(parts) - above], *([node.module] if node.module else [])])


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the sets of modules that reach each other, the largest first, names in order."""
    reached = {name: _reachable(graph, name) for name in graph}
    groups = {
        tuple(sorted(other for other in reached[name] if name in reached[other]))
        for name in graph
        if name in reached[name]
    }
    return sorted((list(group) for group in groups), key=lambda group: (-len(group), group))


def _reachable(graph: Mapping[str, set[str]], start: str) -> set[str]:
    """Return what `start` imports directly or not; itself only if it stands in a circle."""
    found, pending = set[str](), list(graph[start])
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending.extend(graph[name])
    return found
