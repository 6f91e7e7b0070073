"""The house rules, kept by tools: types, style, layers, sizes, documents."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
LINES_MAX, FUNCTION_LINES_MAX = 500, 60
STDLIB_ONLY = ("model", "rules", "render", "plugins")


def run(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


def tracked(*patterns: str) -> list[Path]:
    return [ROOT / name for name in run("git", "ls-files", *patterns).split("\n") if name]


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        ("mypy",),
        ("lint-imports",),
    ],
    ids=" ".join,
)
def test_the_tools_agree(command: tuple[str, ...]) -> None:
    run(str(BIN / command[0]), *command[1:])


def test_no_test_file_is_passed_over() -> None:
    """Pytest leaves some folders out by their names, without a word."""
    listed = run(sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider")
    collected = {line.partition("::")[0] for line in listed.splitlines() if "::" in line}
    files = {path.relative_to(ROOT).as_posix() for path in tracked("tests/*.py")}
    assert {name for name in files if re.search(r"/test_\w+\.py$", name)} == collected


def test_no_file_or_function_is_too_large() -> None:
    large = []
    for path in tracked("*.py"):
        text = path.read_text()
        if text.count("\n") > LINES_MAX:
            large.append(f"{path}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    large.append(f"{path}:{node.lineno} {node.name}: {lines} lines")
    assert not large, "\n".join(large)


@pytest.mark.parametrize("room", ["model", "rules", "render"])
def test_pure_rooms_import_the_standard_library_and_each_other_only(room: str) -> None:
    foreign = []
    for path in (ROOT / "src/rackhand" / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            foreign += [
                f"{path.name}: {name}"
                for name in names
                if name.split(".")[0] not in sys.stdlib_module_names
                and not re.match(r"rackhand\.(model|rules|render)\b", name)
            ]
    assert not foreign, foreign


def test_links_in_documents_lead_somewhere() -> None:
    dead = []
    for path in tracked("*.md"):
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text()):
            if "://" not in target and not (path.parent / target).exists():
                dead.append(f"{path.relative_to(ROOT)}: {target}")
    assert not dead, dead


def test_every_script_is_named_in_the_readme_or_contributing() -> None:
    texts = (ROOT / "README.md").read_text() + (ROOT / "CONTRIBUTING.md").read_text()
    scripts = [path for path in tracked("script/*") if path.stat().st_mode & 0o111]
    assert scripts
    assert [p.name for p in scripts if f"script/{p.name}" not in texts] == []
