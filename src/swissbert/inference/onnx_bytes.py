"""ONNX models as bytes, written without the package onnx, which answering with them does not need.

The few messages of ``onnx.proto`` that a graph of operators and constants takes, in the wire format of Protocol Buffers: a
message is a sequence of fields, each a key (number and wire type) and a value. They are in the order of their numbers, as
the library itself writes them.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

IR_VERSION = 9
"""Version of ONNX's format."""
TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7}
"""Numbers of element types, by their names in numpy."""
_FLOAT, _INT, _INTS = 1, 2, 7
"""Types of attributes."""
_VARINT, _BYTES, _FIXED = 0, 2, 5
"""Wire types."""


def node(
    operator: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    domain: str,
    options: Mapping[str, float | tuple[int, ...]],
) -> bytes:
    """Return a node of the graph.

    Args:
        operator: Name of the operator.
        inputs: Names of its inputs; an empty one is left out.
        outputs: Names of its outputs.
        domain: The operator's domain; empty for ONNX's own.
        options: Its attributes, each an int, a float or several ints.
    """
    parts = [_text(1, name) for name in inputs] + [_text(2, name) for name in outputs]
    parts += [_text(4, operator), *(_bytes(5, _text(1, name) + _attribute(value)) for name, value in options.items())]
    return b"".join([*parts, _text(7, domain)] if domain else parts)


def tensor(name: str, values: np.ndarray) -> bytes:
    """Return a constant of the graph."""
    sizes = b"".join(_number(1, size) for size in values.shape)
    return (
        sizes
        + _number(2, TYPES[values.dtype.name])
        + _text(8, name)
        + _bytes(9, np.ascontiguousarray(values).tobytes())
    )


def value(name: str, kind: str, shape: Sequence[int | str]) -> bytes:
    """Return an input or output of the graph; a size that varies is a name."""
    sizes = (_bytes(1, _number(1, size) if isinstance(size, int) else _text(2, size)) for size in shape)
    of_tensor = _number(1, TYPES[kind]) + _bytes(2, b"".join(sizes))
    return _text(1, name) + _bytes(2, _bytes(1, of_tensor))


def model(
    nodes: Iterable[bytes],
    inputs: Iterable[bytes],
    outputs: Iterable[bytes],
    tensors: Iterable[bytes],
    opsets: Mapping[str, int],
) -> bytes:
    """Return a model.

    Args:
        nodes: Results of `node`, in order of execution.
        inputs: Results of `value`.
        outputs: Results of `value`.
        tensors: Results of `tensor`.
        opsets: Version of the operators of each domain.
    """
    fields = ((5, tensors), (11, inputs), (12, outputs))
    graph = [_bytes(1, part) for part in nodes] + [_text(2, "layers")]
    graph += [_bytes(number, part) for number, parts in fields for part in parts]
    versions = (_bytes(8, _text(1, domain) + _number(2, version)) for domain, version in opsets.items())
    return b"".join([_number(1, IR_VERSION), _bytes(7, b"".join(graph)), *versions])


def _attribute(value: float | tuple[int, ...]) -> bytes:
    """Return the value of an attribute, and its type."""
    if isinstance(value, tuple):
        return b"".join(_number(8, part) for part in value) + _number(20, _INTS)
    if isinstance(value, int):
        return _number(3, value) + _number(20, _INT)
    return _key(2, _FIXED) + np.float32(value).tobytes() + _number(20, _FLOAT)


def _key(field: int, wire_type: int) -> bytes:
    return _varint(field << 3 | wire_type)


def _number(field: int, value: int) -> bytes:
    return _key(field, _VARINT) + _varint(value % 2**64)  # negative numbers take ten bytes


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())


def _bytes(field: int, value: bytes) -> bytes:
    return _key(field, _BYTES) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    """Return a number of 0 or more in groups of seven bits, the lowest first; the eighth bit says that more follow."""
    groups = bytearray()
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    groups.append(value)
    return bytes(groups)
