"""Messages of the Open Inference Protocol's gRPC form, built from its field numbers: no generated code to keep."""

import struct
from functools import cache
from typing import Any, Final

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

from firedrill.sources.serving.tensors import Tensor

SERVICE: Final = "/inference.GRPCInferenceService/"
_PACKAGE: Final = "inference"
_Type = descriptor_pb2.FieldDescriptorProto
#: name, number, type (or the name of a message), repeated
_Fields = tuple[tuple[str, int, "int | str", bool], ...]
_TENSOR: Final[_Fields] = (
    ("name", 1, _Type.TYPE_STRING, False),
    ("datatype", 2, _Type.TYPE_STRING, False),
    ("shape", 3, _Type.TYPE_INT64, True),
    ("contents", 5, "Contents", False),
)
_MESSAGES: Final[dict[str, _Fields]] = {
    "Contents": (
        ("bool_contents", 1, _Type.TYPE_BOOL, True),
        ("int_contents", 2, _Type.TYPE_INT32, True),
        ("int64_contents", 3, _Type.TYPE_INT64, True),
        ("uint_contents", 4, _Type.TYPE_UINT32, True),
        ("uint64_contents", 5, _Type.TYPE_UINT64, True),
        ("fp32_contents", 6, _Type.TYPE_FLOAT, True),
        ("fp64_contents", 7, _Type.TYPE_DOUBLE, True),
        ("bytes_contents", 8, _Type.TYPE_BYTES, True),
    ),
    "Tensor": _TENSOR,
    "Metadata": _TENSOR[:3],
    "Empty": (),
    "Ready": (("ready", 1, _Type.TYPE_BOOL, False),),
    "ModelName": (("name", 1, _Type.TYPE_STRING, False), ("version", 2, _Type.TYPE_STRING, False)),
    "ModelMetadata": (
        ("name", 1, _Type.TYPE_STRING, False),
        ("versions", 2, _Type.TYPE_STRING, True),
        ("platform", 3, _Type.TYPE_STRING, False),
        ("inputs", 4, "Metadata", True),
        ("outputs", 5, "Metadata", True),
    ),
    "InferRequest": (
        ("model_name", 1, _Type.TYPE_STRING, False),
        ("model_version", 2, _Type.TYPE_STRING, False),
        ("inputs", 5, "Tensor", True),
    ),
    "InferResponse": (
        ("model_name", 1, _Type.TYPE_STRING, False),
        ("model_version", 2, _Type.TYPE_STRING, False),
        ("outputs", 5, "Tensor", True),
        ("raw_output_contents", 6, _Type.TYPE_BYTES, True),
    ),
}
#: Field of the contents, and the type of raw contents, by type of tensor.
_CONTENTS: Final = {
    "BOOL": ("bool_contents", "?"),
    "INT8": ("int_contents", "<i1"),
    "INT16": ("int_contents", "<i2"),
    "INT32": ("int_contents", "<i4"),
    "INT64": ("int64_contents", "<i8"),
    "UINT8": ("uint_contents", "<u1"),
    "UINT16": ("uint_contents", "<u2"),
    "UINT32": ("uint_contents", "<u4"),
    "UINT64": ("uint64_contents", "<u8"),
    "FP16": ("fp32_contents", "<f2"),
    "FP32": ("fp32_contents", "<f4"),
    "FP64": ("fp64_contents", "<f8"),
    "BYTES": ("bytes_contents", ""),
}


@cache
def message(name: str) -> type[Message]:
    """The class of a message."""
    file = descriptor_pb2.FileDescriptorProto(name="firedrill/v2.proto", package=_PACKAGE, syntax="proto3")
    for title, fields in _MESSAGES.items():
        made = file.message_type.add(name=title)
        for label, number, kind, repeated in fields:
            field = made.field.add(name=label, number=number)
            field.label = _Type.LABEL_REPEATED if repeated else _Type.LABEL_OPTIONAL
            if isinstance(kind, str):
                field.type, field.type_name = _Type.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
            else:
                field.type = _Type.Type.ValueType(kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found: type[Message] = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
    return found


def infer_request(model: str, version: str | None, tensors: tuple[Tensor, ...]) -> bytes:
    """A request with these inputs."""
    request: Any = message("InferRequest")(model_name=model, model_version=version or "")
    for item in tensors:
        tensor = request.inputs.add(name=item.name, datatype=item.datatype.value, shape=item.shape)
        field, _ = _CONTENTS[item.datatype.value]
        data = [str(value).encode() for value in item.data] if field == "bytes_contents" else item.data
        getattr(tensor.contents, field).extend(data)
    wire: bytes = request.SerializeToString()
    return wire


def infer_response(response: Any) -> dict[str, Any]:
    """A response in the form that it has over HTTP."""
    raw = list(response.raw_output_contents)
    outputs = []
    for i, tensor in enumerate(response.outputs):
        field, form = _CONTENTS.get(tensor.datatype, ("bytes_contents", ""))
        data = list(getattr(tensor.contents, field))
        if not data and i < len(raw):
            data = _strings(raw[i]) if not form else np.frombuffer(raw[i], form).tolist()
        outputs.append(
            {
                "name": tensor.name,
                "datatype": tensor.datatype,
                "shape": list(tensor.shape),
                "data": [item.decode(errors="replace") if isinstance(item, bytes) else item for item in data],
            }
        )
    return {"model_name": response.model_name, "outputs": outputs}


def _strings(raw: bytes) -> list[bytes]:
    """Texts, each after its length in four bytes. Raises ValueError where a length points past the end."""
    found, at = [], 0
    while at + 4 <= len(raw):
        (size,) = struct.unpack_from("<I", raw, at)
        if at + 4 + size > len(raw):
            raise ValueError("a text of the output is longer than the output")
        found.append(raw[at + 4 : at + 4 + size])
        at += 4 + size
    return found
