"""The exceptions that callers of sio_demo meet are all in one tree, in sio_demo/errors.py."""

import ast
import builtins
import inspect
from pathlib import Path

import pytest

import sio_demo
from sio_demo import errors

PACKAGE = Path(sio_demo.__file__).parent
TREE = {name for name, value in vars(errors).items() if inspect.isclass(value)}
BUILT_IN = {
    name
    for name, value in vars(builtins).items()
    if inspect.isclass(value) and issubclass(value, BaseException)
}
# Built-in exceptions that no caller meets.
ELSEWHERE = {
    "delivery/__init__.py": {"AttributeError"},
    "__init__.py": {"AttributeError"},  # as a module's __getattr__ must
    "commands": {"ValueError", "ArgumentTypeError"},  # argparse reports them, and exits with 2
    "delivery/connector.py": {"NotConnected", "TimeoutError", "CancelledError"},  # for the outbox
    "delivery/message.py": {"ValueError"},  # caught where the text is read
    "diagnosis/seen.py": {"KeyError"},  # caught where it is raised
    "exercises": {"ConnectionError", "TimeoutError"},  # for the reader's program to handle
    "lab/server.py": {"HTTPForbidden"},  # aiohttp makes it the answer
    "lab/wire.py": {"ValueError"},  # caught where the stream is opened
}


def sources():
    for path in sorted(PACKAGE.rglob("*.py")):
        if "node_modules" not in path.parts:
            yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text("utf-8"))


def last_name(node):
    """Return `C` of `C`, `a.C` and `C(...)`."""
    if isinstance(node, ast.Call):
        return last_name(node.func)
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def exceptions_outside():
    """Yield the exception classes that are defined elsewhere than in errors.py."""
    known = TREE | BUILT_IN
    classes = [
        (path, node)
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and path != "errors.py"
    ]
    while found := [c for c in classes if known & set(map(last_name, c[1].bases))]:
        yield from found
        known |= {node.name for _, node in found}
        classes = [c for c in classes if c not in found]


def test_every_exception_in_errors_is_a_sio_demo_error():
    assert all(issubclass(getattr(errors, name), errors.SioDemoError) for name in TREE)


@pytest.mark.parametrize("name", sorted(TREE))
def test_every_exception_says_what_happened_and_what_to_do(name):
    happened, *remedy = getattr(errors, name).__doc__.split("\n\n")
    assert happened.endswith(".")
    assert remedy or name == "SioDemoError"


def test_exceptions_defined_elsewhere_never_leave_the_package():
    leaving = [
        f"{path}: {node.name}"
        for path, node in exceptions_outside()
        if "Never leaves" not in (ast.get_docstring(node) or "")
    ]
    assert leaving == []


def test_no_caller_meets_a_built_in_exception():
    internal = {node.name for _, node in exceptions_outside()}
    met = [
        f"{path}:{node.lineno}: {name}"
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise) and (name := last_name(node.exc))
        if name[0].isupper() and name not in TREE | internal | {"NotImplementedError"}
        if not any(path.startswith(p) and name in names for p, names in ELSEWHERE.items())
    ]
    assert met == []
