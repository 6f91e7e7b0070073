"""Makes one Python file, for Python 3.6 and later, of typed modules of Rackhand.

Keeps the definitions that the wanted names need, and drops annotations and imports
between the modules. The modules keep to the grammar of 3.6 otherwise; a test runs the
result's grammar through 3.6's rules.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from pathlib import Path

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
    imports: dict[str, ast.stmt] = {}
    definitions: dict[str, list[ast.stmt]] = {}
    order: list[str] = []
    for path in modules:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                imports.update(_foreign(node))
                continue
            plain = _Untyped().visit(node)
            for name in _defined(plain):
                definitions.setdefault(name, []).append(plain)
                order.append(name)
    needed = _reachable(definitions, wanted)
    twice = [name for name in sorted(needed) if len(definitions[name]) > 1]
    if twice:
        raise ValueError(f"defined twice: {', '.join(twice)}")
    body = [definitions[name][0] for name in dict.fromkeys(order) if name in needed]
    used = {n.id for part in body for n in ast.walk(part) if isinstance(n, ast.Name)}
    head = [ast.Expr(ast.Constant(docstring)), *(imports[n] for n in sorted(used & set(imports)))]
    module = ast.fix_missing_locations(ast.Module([*head, *dict.fromkeys(body)], []))
    return ast.unparse(module) + "\n"


def _foreign(node: ast.Import | ast.ImportFrom) -> dict[str, ast.stmt]:
    """Return one import for each name that comes from outside Rackhand."""
    found: dict[str, ast.stmt] = {}
    for alias in node.names:
        if isinstance(node, ast.Import):
            found[(alias.asname or alias.name).split(".")[0]] = ast.Import([alias])
        elif node.module not in ("__future__", None) and node.module.split(".")[0] != OWN:
            found[alias.asname or alias.name] = ast.ImportFrom(node.module, [alias], node.level)
    return found


def _defined(node: ast.stmt | None) -> list[str]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)]
    return []


def _reachable(definitions: dict[str, list[ast.stmt]], wanted: Iterable[str]) -> set[str]:
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
            waiting += [
                n.id for n in ast.walk(part) if isinstance(n, ast.Name) and n.id in definitions
            ]
    return needed
