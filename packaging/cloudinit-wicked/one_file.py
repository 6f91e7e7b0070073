"""Makes one Python file, for Python 3.6 and later, of typed modules of Rackhand.

Keeps the definitions that the wanted names need, and drops annotations and imports
between the modules. The modules keep to the grammar of 3.6 otherwise; a test runs the
result's grammar through 3.6's rules.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

OWN = "rackhand"


class _Untyped(ast.NodeTransformer):
    """Drops annotations; a NamedTuple's fields stay fields of type object."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        arguments = [*node.args.args, *node.args.kwonlyargs, *node.args.posonlyargs]
        for argument in (*arguments, node.args.vararg, node.args.kwarg):
            if argument is not None:
                argument.annotation = None
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        fields = any(isinstance(b, ast.Name) and b.id == "NamedTuple" for b in node.bases)
        for part in node.body:
            if fields and isinstance(part, ast.AnnAssign):
                part.annotation = ast.Name("object", ast.Load())
        if fields:
            return node
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return None
        return ast.copy_location(ast.Assign([node.target], node.value), node)


def one_file(modules: Sequence[Path], wanted: Iterable[str], docstring: str) -> str:
    """Return the source of one module that holds the wanted definitions.

    ``modules`` in the order of their imports. Raises ValueError when two definitions
    that are needed have one name, or a wanted one does not exist.
    """
    definitions: dict[str, list[_Definition]] = {}
    order: list[str] = []
    for path in modules:
        nodes = ast.parse(path.read_text(encoding="utf-8")).body
        imports = [
            i for n in nodes if isinstance(n, ast.Import | ast.ImportFrom) for i in _foreign(n)
        ]
        for node in nodes:
            plain = _Untyped().visit(node)
            for name in _defined(plain):
                definitions.setdefault(name, []).append(_Definition(plain, imports))
                order.append(name)
    needed = _reachable(definitions, wanted)
    twice = [name for name in sorted(needed) if len(definitions[name]) > 1]
    if twice:
        raise ValueError(f"defined twice: {', '.join(twice)}")
    body = [definitions[name][0] for name in dict.fromkeys(order) if name in needed]
    head = {text: None for part in body for name, text in part.imports if name in part.names()}
    module = ast.Module(list(dict.fromkeys(part.node for part in body)), [])
    lines = [f'"""{docstring}"""', *sorted(head), ast.unparse(ast.fix_missing_locations(module))]
    return "\n".join(lines) + "\n"


class _Definition(NamedTuple):
    """A statement that defines names, and what its module imports: name, statement."""

    node: ast.stmt
    imports: list[tuple[str, str]]

    def names(self) -> set[str]:
        """Return every name it uses."""
        return {n.id for n in ast.walk(self.node) if isinstance(n, ast.Name)}


def _foreign(node: ast.Import | ast.ImportFrom) -> list[tuple[str, str]]:
    """Return name and statement of each import from outside Rackhand."""
    if isinstance(node, ast.Import):
        return [(alias.name.split(".")[0], f"import {alias.name}") for alias in node.names]
    if node.module in ("__future__", None) or str(node.module).split(".")[0] == OWN:
        return []
    return [(alias.name, f"from {node.module} import {alias.name}") for alias in node.names]


def _defined(node: ast.stmt | None) -> list[str]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)]
    return []


def _reachable(definitions: dict[str, list[_Definition]], wanted: Iterable[str]) -> set[str]:
    needed: set[str] = set()
    waiting = list(wanted)
    while waiting:
        name = waiting.pop()
        if name in needed:
            continue
        if name not in definitions:
            raise ValueError(f"{name} is defined nowhere")
        needed.add(name)
        for part in definitions[name]:
            waiting += sorted(part.names() & set(definitions))
    return needed
