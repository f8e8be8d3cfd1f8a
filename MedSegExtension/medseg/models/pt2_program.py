"""The graph of an exported program (``.pt2``), checked operator by operator and run without PyTorch's own loader.

``torch.export.load`` evaluates texts of the file (shape expressions through sympy, guards, tree specifications that
import modules, targets that are any name below ``torch``) and falls back to full pickles. A segmentation network needs
none of it: its graph is a list of ATen operators with tensors, numbers and lists. Only these are read here, each
operator by its name on a list, and called in order; the result is the same to the last bit, because they are the same
operators. Schema: torch/_export/serde/schema.py, version 8.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..backends.wiring import Ports

#: ATen operators of networks: they compute on tensors given to them and reach nothing else.
ATEN = frozenset(
    """
    conv1d conv2d conv3d convolution _convolution conv_transpose1d conv_transpose2d conv_transpose3d batch_norm
    _native_batch_norm_legit_no_training native_batch_norm instance_norm group_norm native_group_norm layer_norm
    native_layer_norm local_response_norm rms_norm relu relu_ relu6 relu6_ leaky_relu leaky_relu_ prelu
    _prelu_kernel elu elu_ selu selu_ celu gelu gelu_ silu silu_ mish mish_ softplus hardtanh hardtanh_ hardswish
    hardswish_ hardsigmoid hardsigmoid_ sigmoid sigmoid_ tanh tanh_ softmax _softmax log_softmax _log_softmax
    logsigmoid log_sigmoid_forward threshold threshold_ glu rrelu rrelu_ max_pool1d max_pool2d
    max_pool2d_with_indices max_pool3d max_pool3d_with_indices avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d
    adaptive_avg_pool2d _adaptive_avg_pool2d adaptive_max_pool2d max_unpool2d upsample_nearest1d upsample_nearest2d
    upsample_nearest3d _upsample_nearest_exact2d upsample_bilinear2d _upsample_bilinear2d_aa upsample_bicubic2d
    _upsample_bicubic2d_aa upsample_trilinear3d pixel_shuffle pixel_unshuffle grid_sampler grid_sampler_2d
    affine_grid_generator pad constant_pad_nd reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d
    zero_pad2d cat concat stack split split_with_sizes chunk unbind tensor_split unsqueeze squeeze squeeze_
    unsqueeze_ view _unsafe_view view_as reshape reshape_as flatten unflatten permute transpose transpose_ t numpy_T
    movedim swapaxes expand expand_as broadcast_to repeat repeat_interleave tile flip roll rot90 narrow select slice
    index index_select gather masked_fill masked_fill_ where contiguous clone detach detach_ alias lift_fresh_copy
    to _to_copy type_as float dropout dropout_ feature_dropout alpha_dropout dropout2d native_dropout copy_ fill
    fill_ zero_ add add_ sub sub_ rsub mul mul_ div div_ true_divide floor_divide remainder fmod neg abs sign
    reciprocal pow square sqrt rsqrt exp expm1 log log1p log2 sin cos floor ceil round trunc clamp clamp_ clamp_min
    clamp_max maximum minimum max min amax amin argmax argmin mean sum prod var var_mean std std_mean logsumexp norm
    linalg_vector_norm cumsum topk sort any all eq ne lt le gt ge logical_and logical_or logical_not logical_xor
    bitwise_and bitwise_or bitwise_not isnan isinf nan_to_num matmul mm bmm addmm baddbmm linear einsum dot
    scaled_dot_product_attention outer tril triu zeros ones full zeros_like ones_like full_like empty_like new_zeros
    new_ones new_full new_empty arange linspace eye scalar_tensor empty meshgrid sym_size sym_numel sym_stride item
    _local_scalar_dense _assert_tensor_metadata _assert_scalar sym_constrain_range sym_constrain_range_for_size
    """.split()  # noqa: SIM905 (a table of words)
)
#: Python's operators on sizes.
OPERATORS = frozenset("add sub mul floordiv mod neg truediv pow eq ne lt le gt ge and_ or_ getitem".split())  # noqa: SIM905
#: Operators that only assert; what they assert about sizes, the operators check themselves.
_ASSERTIONS = frozenset(
    {"_assert_tensor_metadata", "_assert_scalar", "sym_constrain_range", "sym_constrain_range_for_size"}
)
MAX_NODES = 100_000

#: Numbers of the schema; names are torch's.
DTYPES = {
    1: "uint8",
    2: "int8",
    3: "int16",
    4: "int32",
    5: "int64",
    6: "float16",
    7: "float32",
    8: "float64",
    12: "bool",
    13: "bfloat16",
}
_MEMORY_FORMATS = {1: "contiguous_format", 2: "channels_last", 4: "preserve_format"}


class ProgramRefused(ValueError):
    """The program is damaged or does what no network needs; ``args[0]`` says what."""


_SIZE = re.compile(r"(?:Mul\(Integer\((\d+)\), )?Symbol\('(\w+)'[^()]*\)\)?")


@dataclass(frozen=True)
class Node:
    """One call: the operator's name in dots, its arguments by name, and what its results are called."""

    target: str
    arguments: tuple[tuple[str, bool, str, Any], ...]  # name, keyword only, kind, value
    outputs: tuple[Any, ...]  # a name, or a tuple of names


@dataclass(frozen=True)
class Program:
    """A checked graph. ``stored`` maps names in it to names of stored tensors; ``constants`` to plain values."""

    nodes: tuple[Node, ...]
    stored: dict[str, str]
    constants: dict[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    values: dict[str, Any]

    def shape(self, name: str) -> tuple[int | str | None, ...] | None:
        """The shape of a tensor as the file gives it; a free dimension is its expression."""
        sizes = (self.values.get(name) or {}).get("sizes")
        if not isinstance(sizes, list) or len(sizes) > 16:
            return None
        found: list[int | str | None] = []
        for size in sizes:
            whole, free = size.get("as_int"), size.get("as_expr")
            free = _words(str(free.get("expr_str", ""))[:200]) if isinstance(free, dict) else None
            found.append(whole if isinstance(whole, int) else free)
        return tuple(found)

    def dtype(self, name: str) -> str:
        return DTYPES.get((self.values.get(name) or {}).get("dtype", 0), "unknown")


def _words(expression: str) -> str:
    """A size as PyTorch writes it, ``Mul(Integer(8), Symbol('s1', ...))``, as ``8*s1``; others stay as they are."""
    found = _SIZE.fullmatch(expression)
    return f"{found[1]}*{found[2]}" if found and found[1] else found[2] if found else expression[:60]


def check_program(data: dict[str, Any]) -> Program:
    """The graph in ``models/model.json``. Raises ProgramRefused."""
    try:
        return _program(data)
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, StopIteration, RuntimeError) as error:
        if isinstance(error, ProgramRefused):
            raise
        raise ProgramRefused(f"its graph cannot be understood ({type(error).__name__}: {error})"[:200]) from None


def _program(data: dict[str, Any]) -> Program:
    version = data.get("schema_version") or {}
    if version.get("major") != 8:
        raise ProgramRefused(f"its schema is {version.get('major')}.{version.get('minor')}, version 8 can be read")
    graph, signature = data["graph_module"]["graph"], data["graph_module"]["signature"]
    if len(graph["nodes"]) > MAX_NODES:
        raise ProgramRefused(f"its graph has {len(graph['nodes'])} nodes")
    if graph.get("custom_obj_values"):
        raise ProgramRefused("it holds custom objects, which need a library of their own")
    stored: dict[str, str] = {}
    constants: dict[str, Any] = {}
    inputs: list[str] = []
    for spec in signature["input_specs"]:
        kind, body = next(iter(spec.items()))
        if kind == "user_input":
            inputs.append(body["arg"]["as_tensor"]["name"])
        elif kind in ("parameter", "buffer", "tensor_constant"):
            stored[body["arg"]["name"]] = body[f"{kind}_name"]
        elif kind == "constant_input":
            constants[body["name"]] = next(iter(body["value"].values()))
        else:
            raise ProgramRefused(f"it takes a {kind}")
    outputs = []
    for spec in signature["output_specs"]:
        kind, body = next(iter(spec.items()))
        if kind == "user_output":
            outputs.append(body["arg"]["as_tensor"]["name"])
        elif kind not in ("buffer_mutation", "parameter_mutation"):  # statistics of training mode, not kept
            raise ProgramRefused(f"it gives a {kind}")
    nodes = tuple(_node(entry) for entry in graph["nodes"])
    _check_order(nodes, {*stored, *constants, *inputs}, outputs)
    return Program(nodes, stored, constants, tuple(inputs), tuple(outputs), graph["tensor_values"])


def _node(entry: dict[str, Any]) -> Node:
    target = entry["target"]
    _check_target(target)
    arguments = []
    for argument in entry["inputs"]:
        kind, value = next(iter(argument["arg"].items()))
        if kind not in _READERS:
            raise ProgramRefused(f"{target[:60]} is given a value of kind {kind[:40]}, which no network needs")
        arguments.append((str(argument["name"]), argument.get("kind") == 2, kind, value))
    return Node(target, tuple(arguments), tuple(_output(output) for output in entry["outputs"]))


def _check_target(target: Any) -> None:
    parts = str(target).split(".")
    if parts[0] == "_operator" and len(parts) == 2 and parts[1] in OPERATORS:
        return
    if (
        parts[:2] == ["torch", "ops"]
        and len(parts) == 5
        and parts[2] == "aten"
        and parts[3] in ATEN
        and re.fullmatch(r"[A-Za-z]\w*", parts[4])
    ):
        return
    raise ProgramRefused(f"it calls {str(target)[:80]}, which is not on the list of operators that only compute")


def _output(output: dict[str, Any]) -> Any:
    kind, value = next(iter(output.items()))
    if kind == "as_tensor":
        return str(value["name"])
    if kind == "as_tensors":
        return tuple(str(item["name"]) for item in value)
    if kind in ("as_sym_int", "as_sym_bool", "as_sym_float"):
        return str(value["as_name"])
    if kind in ("as_none", "as_optional_tensor"):
        return str((value or {}).get("as_tensor", {}).get("name", "")) if isinstance(value, dict) else ""
    raise ProgramRefused(f"an operator answers with a value of kind {kind[:40]}")


def _check_order(nodes: tuple[Node, ...], known: set[str], outputs: list[str]) -> None:
    """Every name is given before it is used: no cycles, nothing from nowhere."""

    def needs(kind: str, value: Any) -> None:
        for name in _names(kind, value):
            if name not in known:
                raise ProgramRefused(f"its graph uses {name[:60]!r} before it is computed")

    for node in nodes:
        for _, _, kind, value in node.arguments:
            needs(kind, value)
        for output in node.outputs:
            known.update(output if isinstance(output, tuple) else (output,))
    for name in outputs:
        needs("as_tensor", {"name": name})


def _names(kind: str, value: Any) -> list[str]:
    if kind == "as_tensor":
        return [value["name"]]
    if kind == "as_tensors":
        return [item["name"] for item in value]
    if kind == "as_optional_tensors":
        return [item["as_tensor"]["name"] for item in value if "as_tensor" in item]
    if kind == "as_optional_tensor":
        return [value["as_tensor"]["name"]] if isinstance(value, dict) and "as_tensor" in value else []
    symbols = value if isinstance(value, list) else [value]
    if kind.startswith("as_sym_"):
        return [item["as_name"] for item in symbols if "as_name" in item]
    return []


def _symbol(env: dict[str, Any], value: dict[str, Any]) -> Any:
    kind, content = next(iter(value.items()))
    return env[content] if kind == "as_name" else content


def _optional(env: dict[str, Any], value: Any) -> Any:
    return env[value["as_tensor"]["name"]] if isinstance(value, dict) and "as_tensor" in value else None


def _plain(_torch: Any, _env: dict[str, Any], value: Any) -> Any:
    return value


#: How an argument of each kind becomes a value: (torch, names so far, stored value).
_READERS: dict[str, Callable[[Any, dict[str, Any], Any], Any]] = {
    "as_none": lambda *_: None,
    "as_tensor": lambda _, env, v: env[v["name"]],
    "as_tensors": lambda _, env, v: [env[item["name"]] for item in v],
    "as_optional_tensor": lambda _, env, v: _optional(env, v),
    "as_optional_tensors": lambda _, env, v: [_optional(env, item) for item in v],
    **dict.fromkeys(("as_int", "as_ints", "as_float", "as_floats", "as_bool", "as_bools", "as_string"), _plain),
    **dict.fromkeys(("as_sym_int", "as_sym_float", "as_sym_bool"), lambda _, env, v: _symbol(env, v)),
    **dict.fromkeys(("as_sym_ints", "as_sym_floats"), lambda _, env, v: [_symbol(env, item) for item in v]),
    "as_scalar_type": lambda torch, _, v: getattr(torch, DTYPES[v]),
    "as_memory_format": lambda torch, _, v: getattr(torch, _MEMORY_FORMATS[v]),
    "as_layout": lambda torch, *_: torch.strided,
    "as_device": lambda _, env, v: env[""],
}


def build_module(program: Program, tensors: dict[str, Any], ports: Ports | None = None) -> Any:
    """A ``torch.nn.Module`` that runs ``program`` with ``tensors`` (by their stored names), on any device.

    ``ports``: the inputs and the output of several to use. Raises ProgramRefused where an operator is not known to the
    installed PyTorch.
    """
    import operator

    import torch

    calls: list[tuple[Callable[..., Any], Node]] = []
    for node in program.nodes:
        parts = node.target.split(".")
        if parts[0] == "_operator":
            calls.append((getattr(operator, parts[1]), node))
            continue
        if parts[3] in _ASSERTIONS:
            continue
        packet = getattr(torch.ops.aten, parts[3], None)
        overload = getattr(packet, parts[4], None)
        if not isinstance(overload, torch._ops.OpOverload):
            raise ProgramRefused(f"PyTorch {torch.__version__} has no operator {node.target[:80]}")
        calls.append((overload, node))
    wired = ports or Ports(((program.inputs[0], None),), program.outputs[0])
    last = _last_uses(calls, (wired.output,))

    class ExportedNetwork(torch.nn.Module):
        """The program as a module; its tensors are buffers, so that they follow it to a device."""

        def __init__(self) -> None:
            super().__init__()
            for number, name in enumerate(program.stored.values()):
                self.register_buffer(f"t{number}", tensors[name])

        def forward(self, x: Any) -> Any:
            env: dict[str, Any] = {**program.constants, "": x.device}
            for name, start, end in wired.spans(x.shape[1]):
                env[name] = x if len(wired.inputs) == 1 else x[:, start:end].contiguous()
            for constant in wired.constants:
                kind = getattr(torch, constant.dtype)
                env[constant.name] = torch.full(constant.shape, constant.value, dtype=kind, device=x.device)
            for number, name in enumerate(program.stored):
                env[name] = getattr(self, f"t{number}")
            for index, (call, node) in enumerate(calls):
                _step(torch, env, call, node)
                for name in last.get(index, ()):
                    env.pop(name, None)  # as the interpreter of Python would let go of it
            return env[wired.output]

    return ExportedNetwork().eval()


def _step(torch: Any, env: dict[str, Any], call: Callable[..., Any], node: Node) -> None:
    values = [(name, keyword, _READERS[kind](torch, env, value)) for name, keyword, kind, value in node.arguments]
    if isinstance(call, torch._ops.OpOverload):
        names = [argument.name for argument in call._schema.arguments]
        # By name: the file leaves out what has its default value. "self" can only be given by position.
        first = [value for name, _, value in values if name == names[0]] if names else []
        result = call(*first, **{name: value for name, _, value in values if name != names[0]})
    else:
        result = call(*(value for _, _, value in values))
    if len(node.outputs) == 1 and isinstance(node.outputs[0], str):
        env[node.outputs[0]] = result
    elif len(node.outputs) == 1:
        env.update(zip(node.outputs[0], result, strict=True))
    elif node.outputs:
        env.update(zip(node.outputs, result, strict=False))


def _last_uses(calls: list[tuple[Callable[..., Any], Node]], outputs: tuple[str, ...]) -> dict[int, list[str]]:
    """After which call each name is no longer needed."""
    last: dict[str, int] = {}
    for index, (_, node) in enumerate(calls):
        for _, _, kind, value in node.arguments:
            last.update(dict.fromkeys(_names(kind, value), index))
        for output in node.outputs:
            for name in output if isinstance(output, tuple) else (output,):
                last.setdefault(name, index)
    found: dict[int, list[str]] = {}
    for name, index in last.items():
        if name not in outputs:
            found.setdefault(index, []).append(name)
    return found
