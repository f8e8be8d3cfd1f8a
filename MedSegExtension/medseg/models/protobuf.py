"""A reader of the protobuf wire format (protobuf.dev/programming-guides/encoding), enough for ONNX and no more.

Written here so that a file can be looked through without the onnx package, without copying its weights and within
fixed limits: nothing is decoded before its length is known to lie inside the message that holds it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

Value = int | memoryview


class WireError(ValueError):
    """The bytes are not what they should be; ``args[0]`` says how, in plain words."""


def fields(message: memoryview) -> Iterator[tuple[int, int, Value]]:
    """Each field of ``message`` as (number, wire type, value); bytes come as views, numbers as unsigned integers.

    Raises WireError where a field does not fit into the message, or has a wire type that protobuf 3 does not use.
    """
    position, end = 0, len(message)
    while position < end:
        key, position = varint(message, position)
        number, kind = key >> 3, key & 7
        # Other readers drop what does not fit into 32 bits, and would see another field than we do.
        if number == 0 or key > 0xFFFFFFFF:
            raise WireError("a field has an impossible number")
        value: Value
        if kind == VARINT:
            value, position = varint(message, position)
        elif kind == BYTES:
            length, position = varint(message, position)
            if length > end - position:
                raise WireError(f"cut short: a field of {length} bytes has only {end - position}")
            value = message[position : position + length]
            position += length
        elif kind in (FIXED64, FIXED32):
            width = 8 if kind == FIXED64 else 4
            if width > end - position:
                raise WireError("cut short within a number")
            value = int.from_bytes(message[position : position + width], "little")
            position += width
        else:
            raise WireError(f"a field has the unknown wire type {kind}")
        yield number, kind, value


def varint(message: memoryview, position: int) -> tuple[int, int]:
    """The variable-length number at ``position`` and the position after it."""
    result = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise WireError("cut short within a number")
        byte = message[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result & 0xFFFFFFFFFFFFFFFF, position
    raise WireError("a number is longer than 10 bytes")


def signed(value: int) -> int:
    """An int64 from the unsigned number on the wire."""
    return value - (1 << 64) if value >= 1 << 63 else value


def packed_varints(value: Value, kind: int) -> list[int]:
    """A repeated int64 field in either of its encodings, packed or one by one."""
    if kind == VARINT:
        assert isinstance(value, int)
        return [signed(value)]
    if kind != BYTES:
        raise WireError("a list of numbers has the wrong wire type")
    assert isinstance(value, memoryview)
    numbers, position = [], 0
    while position < len(value):
        number, position = varint(value, position)
        numbers.append(signed(number))
    return numbers


def packed_floats(value: Value, kind: int) -> list[float]:
    """A float field, or a repeated one in either of its encodings."""
    if kind == FIXED32:
        assert isinstance(value, int)
        return [struct.unpack("<f", value.to_bytes(4, "little"))[0]]
    if kind != BYTES or not isinstance(value, memoryview) or len(value) % 4:
        raise WireError("a list of numbers has the wrong wire type")
    return [number for (number,) in struct.iter_unpack("<f", value)]


def encode_varint(value: int) -> bytes:
    """``value`` (not negative) as a variable-length number."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def encode_bytes(number: int, content: bytes) -> bytes:
    """A length-delimited field."""
    return encode_varint(number << 3 | BYTES) + encode_varint(len(content)) + content


#: Fields of ModelProto with their wire type (onnx/onnx.proto).
_MODEL_FIELDS = {
    1: VARINT,
    2: BYTES,
    3: BYTES,
    4: BYTES,
    5: VARINT,
    6: BYTES,
    7: BYTES,
    8: BYTES,
    14: BYTES,
    20: BYTES,
    25: BYTES,
    26: BYTES,
}


def looks_like_onnx(path: Path, size: int) -> bool:
    """Whether the file starts like an ONNX model: known fields of the right kind, an IR version among the first ones.

    A file that is cut short within its graph still looks like one, so that its message can say so.
    """
    with path.open("rb") as stream:
        head = memoryview(stream.read(4096))
    position, version, known = 0, False, 0
    try:
        while position < len(head) and known < 64:
            key, position = varint(head, position)
            number, kind = key >> 3, key & 7
            if _MODEL_FIELDS.get(number) != kind:
                return False
            known += 1
            value, position = varint(head, position)
            if number == 1:
                if not 1 <= value <= 1000:
                    return False
                version = True
            elif kind == BYTES:
                if number == 7:
                    return version or value < size
                position += value
    except WireError:
        return version and known >= 2
    return version
