"""The layout of the package: which modules may import which, and what an import loads."""

import ast
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

import inlaid

ROOT = Path(__file__).parents[1]
PACKAGE = Path(inlaid.__file__).parent
# The layout: each folder, and the folders that its modules may import.  `top` is the top level, the decoder.
MAY_IMPORT = {
    "metadata": {"metadata"},
    "formats": {"formats", "metadata", "top"},
    "priors": {"priors", "top"},
    "top": {"top", "formats", "metadata", "priors"},
    "encoding": {"encoding", "top", "formats", "metadata", "priors"},
    "pretraining": {"pretraining", "encoding", "top", "formats", "metadata", "priors"},
    "batch": {"batch", "top"},
    "bench": {"bench", "batch", "encoding", "top", "formats", "metadata", "priors"},
    "report": {"report", "bench", "encoding", "top", "formats", "metadata", "priors"},
    "cli": {"cli", "batch", "report", "bench", "pretraining", "encoding", "top", "formats", "metadata", "priors"},
}
# A folder below the top level may import only these modules of the top level.
TOP_BELOW = {"formats": {"arrays", "colour", "errors", "native", "threads"}, "priors": {"errors", "network", "parameters"}}
DECODER = ("metadata", "formats", "priors", "top")
FACES = {"__init__", "__main__"}  # they import names when they are asked for


def sources(*folders):
    return [p for p in sorted(PACKAGE.rglob("*.py")) if folder_of(p) in folders or not folders]


def folder_of(path):
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else "top"


def name_of(path):
    return path.relative_to(PACKAGE).as_posix()


def named(path):
    return pytest.mark.parametrize("path", path, ids=name_of)


def dotted(path):
    """The module's name below the package: `encoding.fit`, `formats`."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


MODULES = {dotted(p) for p in sources()}


def imported(path):
    """The modules of the package that a file imports anywhere, those that it names in strings included."""
    package = path.relative_to(PACKAGE).parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*package[: len(package) - node.level + 1], *(node.module.split(".") if node.module else [])]
            found |= {".".join([*base, a.name]) if ".".join([*base, a.name]) in MODULES else ".".join(base) for a in node.names}
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            assert not any(name.split(".")[0] == "inlaid" for name in names), f"{path} names its own package absolutely"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and (at := LAZY.fullmatch(node.value)):
            found.add(at[1])
    assert found <= MODULES | {""}, f"{path} imports {sorted(found - MODULES)}, which are no modules"
    return found


LAZY = re.compile(r"inlaid\.(?!js$|wasm$)([a-z_.]+)(?::[a-z_]+)?")  # "inlaid.cli.demo:demo": a module that is imported by its name


def folder(module):
    return module.split(".")[0] if (PACKAGE / module.split(".")[0]).is_dir() else "top"


@named([p for p in sources() if p.parent != PACKAGE or p.stem not in FACES])
def test_imports_go_as_the_ground_plan_says(path):
    own = folder_of(path)
    for module in imported(path) - {""}:
        assert folder(module) in MAY_IMPORT[own], f"{name_of(path)} imports {module}"
        assert own not in TOP_BELOW or folder(module) != "top" or module in TOP_BELOW[own], f"{name_of(path)} imports {module}"


def test_every_folder_is_on_the_plan():
    assert {folder_of(p) for p in sources()} == set(MAY_IMPORT)


def test_lazily_imported_modules_are_found():
    """The plan's test sees the commands that are imported when they are used, and those exist."""
    assert {"cli.demo", "cli.compare", "cli.pretrain", "cli.bench", "cli.report"} <= imported(PACKAGE / "cli" / "main.py")


def test_the_top_level_stays_small():
    assert len(list(PACKAGE.glob("*.py"))) <= 16


@pytest.mark.parametrize("path", [*sources(), *sorted((ROOT / "src" / "kernel").rglob("*.[ch]"))], ids=lambda p: p.name)
def test_source_files_are_short_and_formatted(path):
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 350
    assert "fmt: skip" not in text and "fmt: off" not in text


PUBLIC = {"__init__", "encoding.encoder"}  # modules whose functions may take more, as keywords


def arguments(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            a = node.args
            names = [each.arg for each in (*a.posonlyargs, *a.args, *a.kwonlyargs)]
            yield node, [n for n in names if n not in ("self", "cls")]


@named(sources())
def test_no_function_takes_more_than_seven_arguments(path):
    """But for the public ones, and for commands, whose options click hands over by name."""
    for function, names in arguments(ast.parse(path.read_text("utf-8"))):
        is_command = any("command" in ast.unparse(d) for d in function.decorator_list)
        if not is_command and len(names) > 7:
            public = dotted(path) in PUBLIC and not function.name.startswith("_")
            assert public and len(function.args.args) <= 7, f"{name_of(path)}:{function.lineno} {function.name} takes {len(names)}"


def imported_packages(path):
    """Names of the other packages that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module.split(".")[0])
    return names


@named(sources(*DECODER))
def test_the_decoder_needs_numpy_and_pillow_alone(path):
    allowed = {"numpy", "PIL"} | set(sys.stdlib_module_names)
    if path.parent.name == "trellis":  # it encodes, and is imported when something is encoded
        allowed |= {"mozjpeg_lossless_optimization"}
    assert imported_packages(path) <= allowed, path


def test_imports_go_one_way():
    """There is an order in which each module imports only modules before it."""
    needs = {dotted(p): imported(p) - {"", dotted(p)} for p in sources() if p.parent != PACKAGE or p.stem not in FACES}
    for name in needs:  # the `__init__` of `formats` imports its modules when it is asked for them
        needs[name] -= {m for m in needs[name] if m.startswith(f"{name}.") and name in ("formats",)}
    while needs:
        free = {name for name, above in needs.items() if not above & set(needs)}
        assert free, f"a circle among {sorted(needs)}"
        needs = {name: above for name, above in needs.items() if name not in free}


@named(sources(*(f for f in MAY_IMPORT if f != "cli")))
def test_library_never_prints_exits_or_logs(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and path.name != "__main__.py":
            called = ast.unparse(node.func)
            assert called not in ("print", "sys.exit", "exit", "quit", "logging.basicConfig"), f"{path}:{node.lineno}"


def modules_after(statement):
    code = f"import sys; {statement}; print(' '.join(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_pulls_in_no_framework():
    assert not modules_after("import inlaid") & {"torch", "jax", "scipy", "skimage", "matplotlib", "click", "rich", "numpy", "PIL"}


def test_decoding_needs_only_numpy_pillow_and_the_decode_side():
    golden = Path(__file__).parent / "golden" / "fitted-420.jpg"
    loaded = modules_after(f"import inlaid; inlaid.decode(open({str(golden)!r}, 'rb').read())")
    assert {"numpy", "PIL", "inlaid.native"} <= loaded
    assert not loaded & {"torch", "jax", "scipy", "skimage", "matplotlib", "click", "rich", "constriction", "bjontegaard"}
    above = set(MAY_IMPORT) - set(DECODER)
    assert not {m for m in loaded if m.startswith("inlaid.") and m.split(".")[1] in above}


LINEAR_ALGEBRA = {
    "np.linalg.eigh", "np.linalg.solve", "np.linalg.svd", "np.linalg.lstsq", "np.linalg.inv", "np.dot", "np.matmul", "np.tensordot",
    "floatnet.forward_backward",
}  # fmt: skip


def cut_by_forks(tree):
    """The lines of matrix products, and of other calls that use a BLAS, outside `with uncut():`."""
    if isinstance(tree, ast.With) and any(ast.unparse(item.context_expr) == "uncut()" for item in tree.items):
        return []
    found = [line for child in ast.iter_child_nodes(tree) for line in cut_by_forks(child)]
    product = isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.MatMult)
    if product or (isinstance(tree, ast.Call) and ast.unparse(tree.func) in LINEAR_ALGEBRA):
        found.append(tree.lineno)
    return found


@named([p for p in sources(*DECODER, "encoding") if dotted(p) not in ("reference", "encoding.floatnet")])
def test_no_fork_comes_during_linear_algebra(path):
    """A fork would end the threads of OpenBLAS, and a thread that waits for them would wait for ever."""
    assert not cut_by_forks(ast.parse(path.read_text("utf-8"))), path


def test_what_forks_cut_is_found():
    assert cut_by_forks(ast.parse("a = np.linalg.eigh(b)\nwith uncut():\n    c = a @ b\nd = a @ b")) == [1, 4]


# ------------------------------------------------------------------------------------------------ private names

OUTSIDE = [p for folder in ("tests", "benchmarks", "fuzz", "docs") for p in sorted((ROOT / folder).rglob("*.py"))]


def is_private(name):
    return name.startswith("_") and not name.startswith("__")


def private_names(tree):
    """What a file uses of inlaid whose name begins with an underscore: modules, imported names, attributes of these.

    Programs that stand in strings count too.
    """
    found, ours = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "inlaid":
            ours |= {alias.asname or alias.name for alias in node.names}
            found |= {f"{node.module}.{alias.name}" for alias in node.names if is_private(alias.name)}
            found |= {node.module for part in node.module.split(".") if is_private(part)}
        elif isinstance(node, ast.Import):
            modules = [alias for alias in node.names if alias.name.split(".")[0] == "inlaid"]
            ours |= {alias.asname or "inlaid" for alias in modules}
            found |= {alias.name for alias in modules if any(map(is_private, alias.name.split(".")))}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and ast.unparse(node).split(".")[0] in ours:
            found.add(ast.unparse(node))
        elif isinstance(node, ast.Call) and len(node.args) > 1 and isinstance(name := node.args[1], ast.Constant):
            place = ast.unparse(node.args[0])  # of getattr, setattr and monkeypatch.setattr
            if isinstance(name.value, str) and is_private(name.value) and place.split(".")[0] in ours:
                found.add(f"{place}.{name.value}")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "import" in node.value and "inlaid" in node.value:
            with suppress(SyntaxError):
                found |= private_names(ast.parse(node.value))
    return found


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_outside_the_package_uses_what_is_private_in_it(path):
    assert private_names(ast.parse(path.read_text("utf-8"))) == set()


def test_private_names_are_found():
    source = """
import OURS.cli._a
from OURS import kernel
from OURS.formats import _b, jpeg as j
from other import thing
j._c(kernel.d._e)
thing._f
monkeypatch.setattr(kernel, "_g", None)
PROGRAM = "from OURS import files; files._h()"
"""
    assert private_names(ast.parse(source.replace("OURS", "inlaid"))) == {
        "inlaid.cli._a", "inlaid.formats._b", "j._c", "kernel.d._e", "kernel._g", "files._h",
    }  # fmt: skip
