"""Rules of the house that hold for every file."""

import ast
import importlib
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
RANK = {"perceiver_tf": 0, "zoo": 1, "tuning": 2}
FILES = [path for room in RANK for path in sorted((ROOT / room).rglob("*.py"))]


def imported_packages(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.split(".")[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path):
    room = path.relative_to(ROOT).parts[0]
    for package in imported_packages(path):
        assert RANK.get(package, 0) <= RANK[room], f"{path} imports {package}"
        if room == "perceiver_tf" and path.name != "rematerialised_tensorflow.py":
            assert package not in {"tensorflow", "tensorflow_datasets", "torch", "jax"}


def test_folders_of_the_zoo_import_in_no_circle():
    """A folder is one place, and so is each file beside the folders."""
    imported = {}
    for path in (ROOT / "zoo").rglob("*.py"):
        place = path.relative_to(ROOT / "zoo").with_suffix("").parts[0]
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            other = {name.split(".")[1] for name in names if name.startswith("zoo.")}
            imported.setdefault(place, set()).update(other - {place})
    while loose := {
        place
        for place, others in imported.items()
        if not others & imported.keys() or not any(place in names for names in imported.values())
    }:
        imported = {place: imported[place] for place in imported.keys() - loose}
    assert not imported, f"a circle: {sorted(imported)}"


@pytest.mark.parametrize("package", ["perceiver_tf", "tuning", "zoo"])
def test_import_is_silent_and_light(package):
    code = f"import sys, {package}; sys.exit('keras' in sys.modules or 'tensorflow' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-W", "always", "-c", code], capture_output=True, text=True, cwd=ROOT
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_unknown_names_are_attribute_errors():
    import perceiver_tf

    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        _ = perceiver_tf.no_such_name


@pytest.mark.parametrize("package", ["perceiver_tf", "tuning", "zoo"])
def test_public_names_are_not_submodules(package):
    """Importing a submodule replaces the package's attribute of that name for good."""
    module = importlib.import_module(package)
    submodules = {path.stem for path in (ROOT / package).iterdir()} - {"__init__"}
    assert not submodules & set(module.__all__)
    for name in module.__all__:
        assert getattr(module, name).__doc__, name
