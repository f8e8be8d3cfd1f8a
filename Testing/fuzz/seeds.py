"""Inputs to begin from: ``python Testing/fuzz/seeds.py FOLDER`` writes valid models and texts, one file a target."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "hostile"), str(HERE.parent / "support")]

CARD = {
    "schema_version": 1,
    "name": "small",
    "plane": "axial",
    "orientation": "PLS",
    "input": {
        "context": 1,
        "channels": [{"volume": 0, "offset": -1}, {"volume": 0, "offset": 0}],
        "size": {"mode": "resample", "spacing_mm": [1.5, 1.5], "multiple_of": 8, "pad_value": "minimum"},
        "normalisation": {"kind": "percentile", "percentiles": [1, 99], "scope": "slice"},
    },
    "output": {
        "activation": "softmax",
        "labels": [{"value": 1, "name": "ducts", "color": [0, 1, 2]}],
        "threshold": None,
    },
    "architecture": {"name": "unet2d", "arguments": {"widths": [4, 8]}},
    "postprocessing": {"fill_holes": True, "keep_largest_parts": 2},
    "training": {"synthetic": True},
}
PLANS = {
    "plans_name": "nnUNetPlans",
    "transpose_forward": [0, 1, 2],
    "transpose_backward": [0, 1, 2],
    "foreground_intensity_properties_per_channel": {
        "0": {"mean": 1.0, "std": 2.0, "percentile_00_5": 0, "percentile_99_5": 9}
    },
    "configurations": {
        "2d": {
            "patch_size": [64, 48],
            "spacing": [1.0, 1.0],
            "normalization_schemes": ["ZScoreNormalization"],
            "use_mask_for_norm": [False],
            "architecture": {
                "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
                "arch_kwargs": {
                    "n_stages": 2,
                    "features_per_stage": [4, 8],
                    "conv_op": "torch.nn.modules.conv.Conv2d",
                    "kernel_sizes": [[3, 3], [3, 3]],
                    "strides": [[1, 1], [2, 2]],
                    "n_conv_per_stage": [2, 2],
                    "n_conv_per_stage_decoder": [2],
                    "conv_bias": True,
                    "norm_op": "torch.nn.modules.instancenorm.InstanceNorm2d",
                    "norm_op_kwargs": {"eps": 1e-5, "affine": True},
                    "dropout_op": None,
                    "nonlin": "torch.nn.LeakyReLU",
                    "nonlin_kwargs": {"inplace": True},
                },
                "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
            },
        }
    },
}
DATASET = {"channel_names": {"0": "MR"}, "labels": {"background": 0, "duct": 1}, "file_ending": ".nii.gz"}
INFERENCE = {
    "channels": [4, 8],
    "network_def": {
        "_target_": "monai.networks.nets.UNet",
        "spatial_dims": 2,
        "in_channels": 1,
        "out_channels": "@classes",
        "channels": "@channels",
        "strides": [2],
    },
    "classes": 2,
}
METADATA = {"version": "1", "monai_version": "1.5.0", "name": "b", "medseg": CARD}
KERAS = {
    "class_name": "Functional",
    "module": "keras",
    "config": {
        "name": "m",
        "layers": [
            {
                "class_name": "InputLayer",
                "name": "i",
                "config": {"name": "i", "batch_shape": [None, 32, 32, 1]},
                "inbound_nodes": [],
            },
            {
                "class_name": "Conv2D",
                "name": "c",
                "config": {"name": "c", "filters": 2, "kernel_size": [3, 3], "strides": [1, 1], "padding": "same"},
                "inbound_nodes": [
                    {
                        "args": [
                            {
                                "class_name": "__keras_tensor__",
                                "config": {"shape": [None], "keras_history": ["i", 0, 0]},
                            }
                        ],
                        "kwargs": {},
                    }
                ],
            },
        ],
        "input_layers": [["i", 0, 0]],
        "output_layers": [["c", 0, 0]],
    },
}


def seeds() -> dict[str, bytes]:
    """Inputs by name, the target's number in front."""
    from corpus import DESCRIPTION, entries_of, valid_models
    from targets import TARGETS

    numbers = {target.__name__: bytes([number]) for number, target in enumerate(TARGETS)}
    models = valid_models()
    found: dict[str, bytes] = {
        f"whole-{kind}": numbers["whole_file"] + content
        for kind, content in models.items()
        if b"\x89HDF" not in content
    }
    for name, content in entries_of(models["torchscript"]).items():
        leaf = name.replace("/", "-")
        if name.endswith(".pkl"):
            found[f"pickled-{leaf}"] = numbers["pickled"] + content
        elif name.endswith(".py"):
            found[f"code-{leaf}"] = numbers["script_code"] + content
    for kind in ("state_dict", "state_dict_old"):
        content = models[kind] if kind.endswith("old") else None
        for name, entry in {} if content else entries_of(models[kind]).items():
            if name.endswith("data.pkl"):
                found["checkpoint-zip"] = numbers["checkpoint"] + entry
    program = entries_of(models["pt2"])
    graph = next(content for name, content in program.items() if name.endswith("models/model.json"))
    table = next(content for name, content in program.items() if name.endswith("model_weights_config.json"))
    found["program"] = numbers["program"] + graph + b"\0" + table
    found["keras"] = numbers["keras_configuration"] + json.dumps(KERAS).encode()
    found["card"] = numbers["card_text"] + json.dumps(CARD).encode()
    wired = {**CARD["input"], "tensors": ["flair", "t1"], "constants": {"keep_prob": 1}}
    planned = {"kind": "nnunet", "plans": PLANS, "dataset": DATASET, "mirroring_axes": [0, 1]}
    carried = {**CARD, "input": wired, "output": {**CARD["output"], "tensor": "logits"}, "preparation": planned}
    found["card-planned"] = numbers["card_text"] + json.dumps(carried).encode()
    found["bioimageio"] = numbers["bioimageio"] + DESCRIPTION.encode()
    found["bundle"] = numbers["bundle"] + json.dumps(METADATA).encode() + b"\0" + json.dumps(INFERENCE).encode()
    found["nnunet"] = numbers["nnunet"] + json.dumps(PLANS).encode() + b"\0" + json.dumps(DATASET).encode()
    found["onnx-functions"] = numbers["whole_file"] + onnx_functions()
    for file in ("smp", "families"):
        recorded = np.load(HERE.parent / "models_state_dict" / "fixtures" / f"{file}.npz")
        for number, name in enumerate(name for name in recorded.files if name.startswith("shapes ")):
            table = dict(json.loads(recorded[name].tobytes()))
            if len(table) < 250:  # of the deepest networks nothing new is to be learnt
                found[f"weights-{file}-{number}"] = numbers["weights_table"] + json.dumps(table).encode()
    return found


def onnx_functions() -> bytes:
    """An ONNX model with two functions, a branch and external data, all of which is allowed."""
    from onnx import TensorProto, helper

    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["b", 1, "h", "w"]) for name in "xy")
    out = helper.make_tensor_value_info("o", TensorProto.FLOAT, ["b", 1, "h", "w"])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("f", 1)]
    inner = helper.make_function("f", "In", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], opsets)
    calls = [helper.make_node("In", ["a"], ["c"], domain="f"), helper.make_node("In", ["c"], ["b"], domain="f")]
    branch = helper.make_graph([helper.make_node("Relu", ["x"], ["o"])], "t", [], [out])
    weight = TensorProto(name="w", data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
    weight.external_data.add(key="location", value="model.bin")
    weight.external_data.add(key="length", value="4")
    nodes = [
        helper.make_node("Out", ["x"], ["z"], domain="f"),
        helper.make_node("If", ["k"], ["i"], then_branch=branch, else_branch=branch),
        helper.make_node("Add", ["z", "i"], ["s"]),
        helper.make_node("Mul", ["s", "w"], ["y"]),
    ]
    known = helper.make_tensor("k", TensorProto.BOOL, [], [True])
    graph = helper.make_graph(nodes, "g", [x], [y], [weight, known])
    outer = helper.make_function("f", "Out", ["a"], ["b"], calls, opsets)
    content: bytes = helper.make_model(
        graph, ir_version=8, opset_imports=opsets, functions=[inner, outer]
    ).SerializeToString()
    return content


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in seeds().items():
        (folder / name).write_bytes(content)
