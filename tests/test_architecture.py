"""The rules of the code base hold, and each rule is shown to bite.

Every check is a function of a source tree. It is asked twice: of the real tree, where it must find
nothing, and of a copy with a planted violation, where it must find exactly that.
"""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CODE = ("src", "tests", "scripts", "bench")
FUNCTION_LINES = 60
FILE_LINES = 500
MEANINGLESS = {"util", "utils", "helper", "helpers", "common", "misc", "shared"}
PLATFORM = Path("src/twofold/platform")

LAYERS = "The way is down"
OS_DOOR = "OS packages are entered only through the platform door"
ENGINES = "The engines are independent of one another"
REPOSITORY_DOOR = "Repository internals are private"
NO_CYCLES = "No cycles anywhere"

PLANTS = [  # contract, planted module and its statement, what must be there for it
    (LAYERS, "backend/planted.py: import twofold.repository", "repository/inner.py"),
    (LAYERS, "chunker/planted.py: from twofold.disk.inner import x", "disk/inner.py"),
    (LAYERS, "format/planted.py: def f() -> None: import twofold.view.inner", "view/inner.py"),
    (LAYERS, "stray.py: ", "view/inner.py"),
    (OS_DOOR, "view/planted.py: import twofold.platform.linux", "platform/linux/inner.py"),
    (OS_DOOR, "graph.py: from .platform.windows.inner import x", "platform/windows/inner.py"),
    (ENGINES, "archiver/planted.py: import twofold.restorer", "restorer/inner.py"),
    (REPOSITORY_DOOR, "view/planted.py: import twofold.repository.inner", "repository/inner.py"),
    (NO_CYCLES, "format/planted.py: from . import inner", "format/inner.py: from . import planted"),
]


def sources(root: Path, *folders: str) -> Iterator[tuple[Path, str]]:
    """Every Python file below the folders: path relative to the root, and text."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*.py")):
            yield path.relative_to(root), path.read_text("utf-8")


def oversized(root: Path) -> list[str]:
    """Files and functions over their ceilings."""
    found = []
    for path, text in sources(root, *CODE):
        lines = text.count("\n")
        found += [f"{path}: {lines} lines"] if lines > FILE_LINES else []
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            found += [f"{path}: {node.name}: {lines} lines"] if lines > FUNCTION_LINES else []
    return found


def meaningless(root: Path) -> list[str]:
    """Folders and modules named after nothing in particular."""
    return [
        str(path)
        for path, _ in sources(root, *CODE)
        if MEANINGLESS & {*path.parent.parts, path.stem}
    ]


def platform_questions(root: Path) -> list[str]:
    """Where the code asks which system it runs on, outside the platform door."""
    found = []
    for path, text in sources(root, "src"):
        if path == PLATFORM / "__init__.py":
            continue
        tree = ast.parse(text)
        if PLATFORM in path.parents and len(path.parts) > len(PLATFORM.parts) + 1:
            tree.body = [node for node in tree.body if not isinstance(node, ast.Assert)]
        found += [f"{path}: {ast.unparse(node)}" for node in ast.walk(tree) if _asks_system(node)]
    return found


def _asks_system(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id="sys"), attr="platform"):
            return True
        case ast.Attribute(value=ast.Name(id="os"), attr="name"):
            return True
        case ast.ImportFrom(module="sys" | "os", names=names):
            return any(each.name in ("platform", "name") for each in names)
        case ast.Attribute(value=ast.Name(id="platform"), attr="system" | "platform" | "uname"):
            return True
    return False


def broken_contracts(root: Path) -> set[str]:
    """Names of the import contracts that a tree breaks."""
    program = "from importlinter.cli import lint_imports_command as run; run()"
    outcome = subprocess.run(
        [sys.executable, "-c", program, "--no-logo", "--no-cache"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root / "src"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = outcome.stdout + outcome.stderr
    names = {LAYERS, OS_DOOR, ENGINES, REPOSITORY_DOOR, NO_CYCLES}
    broken = {name for name in names if f"{name} BROKEN" in said}
    judged = broken | {name for name in names if f"{name} KEPT" in said}
    assert judged == names, said
    assert bool(broken) == bool(outcome.returncode), said
    return broken


def plant(root: Path, files: dict[str, str]) -> None:
    """Write modules into the package, making the packages above them where missing."""
    package = root / "src" / "twofold"
    for name, text in files.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        for folder in path.relative_to(package).parents:
            (package / folder / "__init__.py").touch()
        path.write_text(text, "utf-8")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the product's source and its contracts."""
    only_python = shutil.ignore_patterns("__pycache__", "*.so", "*.egg-info")
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=only_python)
    shutil.copy(ROOT / ".importlinter", tmp_path)
    return tmp_path


def test_the_contracts_hold() -> None:
    assert broken_contracts(ROOT) == set()


@pytest.mark.parametrize(("contract", "text", "target"), PLANTS, ids=str)
def test_a_planted_import_is_detected(copy: Path, contract: str, text: str, target: str) -> None:
    plant(copy, dict(each.partition(": ")[::2] for each in (target, text)))
    assert contract in broken_contracts(copy)


def test_planting_alone_breaks_nothing(copy: Path) -> None:
    plant(copy, {"view/planted.py": "import twofold.platform.base\nimport twofold.repository"})
    assert broken_contracts(copy) == set()


def test_sizes_stay_below_their_ceilings() -> None:
    assert oversized(ROOT) == []


def test_an_oversized_function_or_file_is_detected(copy: Path) -> None:
    before = set(oversized(copy))
    long_function = "def late() -> None:\n" + "    pass\n" * FUNCTION_LINES
    plant(copy, {"view/one.py": long_function, "view/two.py": "#\n" * (FILE_LINES + 1)})
    assert {*oversized(copy)} - before == {
        "src/twofold/view/one.py: late: 61 lines",
        "src/twofold/view/two.py: 501 lines",
    }


def test_names_mean_something() -> None:
    assert meaningless(ROOT) == []


@pytest.mark.parametrize("name", ["view/utils.py", "helpers/planted.py"])
def test_a_meaningless_name_is_detected(copy: Path, name: str) -> None:
    plant(copy, {name: ""})
    assert f"src/twofold/{name}" in meaningless(copy)


def test_the_system_is_asked_for_only_at_the_door() -> None:
    assert platform_questions(ROOT) == []


@pytest.mark.parametrize(
    "text",
    [
        "import sys\n\nWINDOWS = sys.platform == 'win32'",
        "from sys import platform",
        "import os\n\ndef late() -> bool:\n    return os.name == 'nt'",
        "import platform\n\nSYSTEM = platform.system()",
    ],
)
def test_a_question_for_the_system_is_detected(copy: Path, text: str) -> None:
    before = set(platform_questions(copy))
    plant(copy, {"view/planted.py": text, "platform/linux/planted.py": text})
    assert {line.partition(":")[0] for line in {*platform_questions(copy)} - before} == {
        "src/twofold/platform/linux/planted.py",
        "src/twofold/view/planted.py",
    }


def test_a_guard_in_an_os_package_is_allowed(copy: Path) -> None:
    before = platform_questions(copy)
    guard = 'import sys\n\nassert sys.platform == "linux"\n'
    plant(copy, {"platform/linux/planted.py": guard})
    assert platform_questions(copy) == before
