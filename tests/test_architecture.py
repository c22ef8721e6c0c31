"""The shape of the package: which way its modules import, and what an import costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import inlay

PACKAGE = Path(inlay.__file__).parent
DECODE_SIDE = {
    "errors", "threads", "formats", "payload", "rangecoder", "parameters", "network", "reference", "kernel", "fingerprint", "priors",
    "decoder", "exif", "tags", "xmp",
}  # fmt: skip
EDGES = {
    "__main__", "cli", "commands", "demo", "docs", "evaluate_cli", "export", "files", "messages", "options", "pretrain_cli", "signatures",
    "streams", "tiff",
}  # fmt: skip


def module_files(name):
    path = PACKAGE / name
    return sorted(path.glob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


def imported_siblings(path):
    """Names of the package's own modules that a file imports, anywhere in it."""
    level_of_package = len(path.relative_to(PACKAGE).parts)
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == level_of_package:
            found |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            assert not any(name.split(".")[0] == "inlay" for name in names), f"{path} names its own package absolutely"
    return found


@pytest.mark.parametrize("name", sorted(DECODE_SIDE))
def test_decode_side_imports_nothing_above_it(name):
    for path in module_files(name):
        assert imported_siblings(path) <= DECODE_SIDE, path


def imported_packages(path):
    """Names of the other packages that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("name", sorted(DECODE_SIDE))
def test_decode_side_needs_numpy_and_pillow_alone(name):
    for path in module_files(name):
        assert imported_packages(path) <= {"numpy", "PIL"} | set(sys.stdlib_module_names), path


def test_formats_know_nothing_of_what_they_carry():
    """Of the kernel they use its colours, of the threads the locks."""
    for path in module_files("formats"):
        assert imported_siblings(path) <= {"formats", "errors", "kernel", "threads", "exif", "tags", "xmp"}, path
        assert "kernel." not in path.read_text("utf-8").replace("kernel.luma(", "").replace("kernel.rgb(", ""), path


def test_imports_go_one_way():
    """No circle: modules can be put in an order in which each imports only those before it."""
    names = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in library_files()} - {"__init__"}
    needs = {name: set().union(*map(imported_siblings, module_files(name))) & names - {name} for name in names}
    assert {"decoder", "fit", "quantize"} <= needs["encoder"]
    while needs:
        free = {name for name, above in needs.items() if not above & set(needs)}
        assert free, f"a circle among {sorted(needs)}"
        needs = {name: above for name, above in needs.items() if name not in free}


def library_files():
    return [p for p in sorted(PACKAGE.rglob("*.py")) if p.stem not in EDGES]


@pytest.mark.parametrize("path", library_files(), ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_library_never_prints_exits_or_logs(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("print", "sys.exit", "exit", "quit", "logging.basicConfig"), f"{path}:{node.lineno}"


def modules_after(statement):
    code = f"import sys; {statement}; print(' '.join(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_pulls_in_no_framework():
    assert not modules_after("import inlay") & {"torch", "jax", "scipy", "skimage", "matplotlib", "click", "rich", "numpy", "PIL"}


def test_decoding_needs_only_numpy_pillow_and_the_decode_side():
    golden = Path(__file__).parent / "golden" / "fitted-420.jpg"
    loaded = modules_after(f"import inlay; inlay.decode(open({str(golden)!r}, 'rb').read())")
    assert {"numpy", "PIL", "inlay.kernel"} <= loaded
    assert not loaded & {"torch", "jax", "scipy", "skimage", "matplotlib", "click", "rich", "constriction", "bjontegaard"}
    assert not loaded & {f"inlay.{above}" for above in ("fit", "encoder", "quantize", "curvature", "pretrain", "evaluate", "cli")}


LINEAR_ALGEBRA = {
    "np.linalg.eigh", "np.linalg.solve", "np.linalg.svd", "np.linalg.lstsq", "np.linalg.inv", "np.dot", "np.matmul",
    "floatnet.forward_backward", "floatnet.fold",
}  # fmt: skip


def cut_by_forks(tree):
    """Lines of products of matrices, and of what else uses a BLAS, outside of `with uncut():`."""
    if isinstance(tree, ast.With) and any(ast.unparse(item.context_expr) == "uncut()" for item in tree.items):
        return []
    found = [line for child in ast.iter_child_nodes(tree) for line in cut_by_forks(child)]
    product = isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.MatMult)
    if product or (isinstance(tree, ast.Call) and ast.unparse(tree.func) in LINEAR_ALGEBRA):
        found.append(tree.lineno)
    return found


@pytest.mark.parametrize("name", [*sorted(DECODE_SIDE - {"reference"}), "encoder", "fit", "curvature", "quantize", "areas", "pictures"])
def test_no_fork_comes_during_linear_algebra(name):
    """It would end the threads of OpenBLAS, and who waits for them would wait for ever."""
    for path in module_files(name):
        assert not cut_by_forks(ast.parse(path.read_text("utf-8"))), path


def test_what_forks_cut_is_found():
    assert cut_by_forks(ast.parse("a = np.linalg.eigh(b)\nwith uncut():\n    c = a @ b\nd = a @ b")) == [1, 4]
