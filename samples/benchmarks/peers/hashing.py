"""The made-up numbers of HashedNumbers and HashedParameters, bit for bit."""

import math

import numpy


def hashed(seed, dims, scale=1.0, middle=0.0):
    """An array of numbers within half a scale of the middle."""
    with numpy.errstate(over="ignore"):
        h = numpy.arange(math.prod(dims), dtype=numpy.uint32)
        h += numpy.uint32(seed & 0xFFFFFFFF)
        h *= numpy.uint32(0x9E3779B1)
        h ^= h >> numpy.uint32(15)
        h *= numpy.uint32(0x85EBCA6B)
        h >>= numpy.uint32(8)
    values = h.astype(numpy.float32)
    values *= numpy.float32(2.0 ** -24)
    values -= numpy.float32(0.5)
    values *= numpy.float32(scale)
    values += numpy.float32(middle)
    return values.reshape(dims)


def hash_code(key):
    """String.hashCode."""
    code = 0
    for character in key:
        code = code * 31 + ord(character) & 0xFFFFFFFF
    return code


def scale(deviation):
    return deviation * math.sqrt(12)


def parameter(key, dims):
    """The weight of that key and shape."""
    if len(dims) == 1:
        return hashed(hash_code(key), dims, scale(0.1), 1 if key.endswith(".weight") else 0)
    table = key in ("pos_embed", "label_emb.weight") or key.endswith("embedding_table.weight")
    fan_in = math.prod(dims[1:])
    return hashed(hash_code(key), dims, scale(1 if table else 1 / math.sqrt(fan_in)))
