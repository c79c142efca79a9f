"""`python -m tests.tools.structure`: sizes, duplicate class names, ports and import circles.

Everything is read from the syntax trees; no module of `bot` is imported.
"""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.tools.circles import circles, imports_of
from tests.tools.protocols import lonely_protocols
from tests.tools.sources import Source, program, sources

LONGEST = 45
"""Body lines above which a function is listed."""
EXEMPT = "migrations"
"""Functions in a folder of this name are steps of a schema and may be long."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function: the lines of its body without the docstring, and of its whole definition."""

    source: Source
    name: str
    line: int
    body: int
    whole: int

    @property
    def exempt(self) -> bool:
        """Whether it may be longer than others."""
        return EXEMPT in self.source.path.parts


def functions(modules: Iterable[Source]) -> list[Function]:
    """Return every function and method, nested ones too, the longest first."""
    found = [
        Function(source, node.name, node.lineno, _body_lines(node), _whole_lines(node))
        for source in modules
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return sorted(found, key=lambda function: function.body, reverse=True)


def _body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    if not body:
        return 0
    return (body[-1].end_lineno or body[-1].lineno) - body[0].lineno + 1


def _whole_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def too_long(modules: Iterable[Source]) -> list[Function]:
    """Return the functions with more than `LONGEST` body lines; migrations are exempt."""
    return [f for f in functions(modules) if f.body > LONGEST and not f.exempt]


def percentile(values: Iterable[int], percent: int) -> int:
    """Return the smallest value that at least `percent` of all values do not exceed.

    Raises:
        ValueError: there are no values.
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values")
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def duplicate_classes(modules: Iterable[Source]) -> dict[str, list[str]]:
    """Return the class names that several modules define, each with these modules."""
    places = defaultdict[str, list[str]](list)
    for source in modules:
        names = {node.name for node in ast.walk(source.tree) if isinstance(node, ast.ClassDef)}
        for name in names:
            places[name].append(source.name)
    return {name: found for name, found in sorted(places.items()) if len(found) > 1}


def import_circles() -> list[list[str]]:
    """Return the import circles of `bot`, the sandbox included."""
    return circles(imports_of(sources("bot")))


def report(modules: Sequence[Source]) -> Iterable[str]:
    """Yield the lines of the report."""
    sizes, bodies = [source.lines for source in modules], functions(modules)
    yield (
        f"modules: {len(modules)}, lines: {sum(sizes)} (p10 {percentile(sizes, 10)}, median "
        f"{percentile(sizes, 50)}, p90 {percentile(sizes, 90)}, max {max(sizes)})"
    )
    lengths = [function.body for function in bodies]
    whole = [function.whole for function in bodies]
    yield (
        f"functions: {len(bodies)}, body lines: p90 {percentile(lengths, 90)}, max {lengths[0]}; "
        f"whole definition: p90 {percentile(whole, 90)}, above 40: {sum(n > 40 for n in whole)}"
    )
    longest = too_long(modules)
    yield f"functions above {LONGEST} body lines: {len(longest)}"
    yield from (f"  {f.source.path}:{f.line}: {f.name}: {f.body}" for f in longest)
    duplicates = duplicate_classes(modules)
    yield f"class names in several modules: {len(duplicates)}"
    yield from (f"  {name}: {', '.join(places)}" for name, places in duplicates.items())
    lonely = lonely_protocols(modules)
    yield f"protocols outside the ports with at most one implementation in bot: {len(lonely)}"
    yield from (f"  {name}: {', '.join(found) or 'none found'}" for name, found in lonely.items())
    found_circles = import_circles()
    yield f"import circles (sandbox included): {len(found_circles)}"
    yield from (f"  {len(circle)}: {', '.join(circle)}" for circle in found_circles)


def main() -> int:
    """Print the report; return the exit code."""
    for line in report(program()):
        sys.stdout.write(f"{line}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
