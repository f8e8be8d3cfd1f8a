"""Looking through the code of a TorchScript archive for operators that reach beyond tensors.

TorchScript cannot import, but some operators open files, and compiled libraries register more. The stored code has
Python's syntax; it is parsed, never run. An operator can be reached by its name only, so every name that could be one
is looked at, wherever it stands.
"""

from __future__ import annotations

import ast
import warnings

#: Operators that write or map files, or talk to other processes (from the operator table of PyTorch 2.13).
REFUSED = frozenset(
    {
        "save",
        "from_file",
        "load",
        "rpc_async",
        "rpc_remote",
        "rpc_sync",
        "confirmed_by_owner",
        "is_owner",
        "owner",
        "owner_name",
        "to_here",
        "local_value",
    }
)
#: Namespaces of `ops.` that PyTorch itself brings and that only compute.
NAMESPACES = frozenset({"prim", "aten", "quantized", "_quantized", "mkldnn_prepacked"})
MAX_CODE = 64 * 1024 * 1024


class CodeRefused(ValueError):
    """The code does, or hides, something no segmentation network needs; ``args[0]`` says what."""


def check_code(source: str) -> None:
    """Raise CodeRefused where ``source`` calls an operator that reaches files, processes or other libraries."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd escapes in texts
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise CodeRefused(f"its code cannot be understood ({type(error).__name__})") from None
    whole: set[int] = set()  # roots of dotted names that were looked at as a whole
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            if node.attr in REFUSED:
                raise CodeRefused(f"it calls {ast.unparse(node)[-80:]}, which reaches files or other processes")
            _check_chain(node, whole)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in ("torch", "ops") and id(node) not in whole:
            raise CodeRefused(f"it passes on the whole of {node.id!r}, so that what it calls cannot be seen")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr":
            names = [argument.value for argument in node.args[1:2] if isinstance(argument, ast.Constant)]
            if len(names) != 1 or names[0] in REFUSED:
                raise CodeRefused("it fetches an operator by a computed or refused name")
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            raise CodeRefused("it imports")


def _check_chain(node: ast.Attribute, whole: set[int]) -> None:
    parts: list[str] = []
    root: ast.expr = node
    while isinstance(root, ast.Attribute):
        parts.append(root.attr)
        root = root.value
    if not isinstance(root, ast.Name):
        return
    parts.reverse()
    if root.id == "torch":
        whole.add(id(root))
        if parts[0] in ("ops", "classes", "_ops", "_C"):
            raise CodeRefused(f"torch.{'.'.join(parts)[:80]} needs a library that is not part of PyTorch")
    elif root.id == "ops":
        # Inner parts of the chain come by again as nodes of their own; only the full name counts.
        if len(parts) >= 2:
            whole.add(id(root))
            if parts[0] not in NAMESPACES:
                raise CodeRefused(f"its operator {'.'.join(parts)[:80]} needs a library that is not part of PyTorch")
    elif root.id == "__torch__" and parts[:2] == ["torch", "classes"]:
        raise CodeRefused(f"its class {'.'.join(parts)[:80]} needs a library that is not part of PyTorch")
