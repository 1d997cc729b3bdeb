"""Writes train.pt, train-protocol4.pt and train-legacy.pt with CPython's own pickler.

The torch of this script is a stand-in that pickles as torch does (torch/serialization.py, torch/_utils.py), so it needs
no torch. The files hold what the train.py of DiT saves: {model, ema, opt, args}. Run it in this directory.
"""

import argparse
import io
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict

torch = types.ModuleType("torch")
utils = types.ModuleType("torch._utils")
sys.modules["torch"], sys.modules["torch._utils"] = torch, utils


class FloatStorage:
    pass


class HalfStorage:
    pass


class LongStorage:
    pass


for c in (FloatStorage, HalfStorage, LongStorage):
    c.__module__ = "torch"
    setattr(torch, c.__name__, c)


class device:
    def __init__(self, *args):
        self.args = args

    def __reduce__(self):
        return device, self.args


device.__module__ = "torch"
torch.device = device


class Size(tuple):
    def __reduce__(self):
        return Size, (tuple(self),)


Size.__module__ = "torch"
torch.Size = Size


def _rebuild_tensor_v2(*args):
    pass


def _rebuild_parameter(*args):
    pass


for f in (_rebuild_tensor_v2, _rebuild_parameter):
    f.__module__ = "torch._utils"
    setattr(utils, f.__name__, f)


class Storage:
    def __init__(self, cls, values):
        code = {FloatStorage: "f", HalfStorage: "e", LongStorage: "q"}[cls]
        self.cls, self.numel, self.data = cls, len(values), struct.pack(f"<{len(values)}{code}", *values)


class Tensor:
    def __init__(self, storage, offset, size, stride):
        self.args = (storage, offset, size, stride, False, OrderedDict())

    def __reduce__(self):
        return _rebuild_tensor_v2, self.args


class Parameter:
    def __init__(self, tensor):
        self.tensor = tensor

    def __reduce__(self):
        return _rebuild_parameter, (self.tensor, True, OrderedDict())


def checkpoint():
    def state(scale):
        a = Storage(FloatStorage, [scale * i for i in range(12)])
        d = OrderedDict()
        d["module.w"] = Tensor(a, 0, (3, 4), (4, 1))
        d["module.w_t"] = Tensor(a, 0, (4, 3), (1, 4))
        d["module.half"] = Tensor(Storage(HalfStorage, [0.5, -2.0]), 0, (2,), (1,))
        d["module.ids"] = Parameter(Tensor(Storage(LongStorage, [7, -8, 9]), 1, (2,), (1,)))
        d["module.scalar"] = Tensor(Storage(FloatStorage, [2.5]), 0, (), ())
        d._metadata = OrderedDict([("", {"version": 1})])
        return d

    moments = Tensor(Storage(FloatStorage, [0.25] * 12), 0, (3, 4), (4, 1))
    opt = {"state": {0: {"step": 3, "exp_avg": moments}}, "param_groups": [{"lr": 1e-4, "betas": (0.9, 0.999), "params": [0]}]}
    args = argparse.Namespace(model="DiT-XL/2", image_size=256, lr=1e-4, ema=True, vae=None, gpus=[0, 1], device=device("cuda", 0),
                              latent=Size((4, 32, 32)), big=2**70)
    return {"model": state(1.0), "ema": state(2.0), "opt": opt, "args": args}


def pickled(obj, protocol, legacy):
    storages = {}

    class Pickler(pickle.Pickler):
        def persistent_id(self, o):
            if isinstance(o, Storage):
                key = storages.setdefault(id(o), (str(len(storages)), o))[0]
                return ("storage", o.cls, key, "cuda:0", o.numel) + ((None,) if legacy else ())

    buf = io.BytesIO()
    Pickler(buf, protocol).dump(obj)
    return buf.getvalue(), list(storages.values())


def save_zip(name, protocol):
    data, storages = pickled(checkpoint(), protocol, False)
    with zipfile.ZipFile(name, "w", zipfile.ZIP_STORED) as z:
        z.writestr("archive/data.pkl", data)
        z.writestr("archive/byteorder", "little")
        for key, storage in storages:
            z.writestr(f"archive/data/{key}", storage.data)
        z.writestr("archive/version", "3\n")


def save_legacy(name):
    data, storages = pickled(checkpoint(), 2, True)
    machine = dict(protocol_version=1001, little_endian=True, type_sizes=dict(short=2, int=4, long=4))
    with open(name, "wb") as f:
        pickle.dump(0x1950A86A20F9469CFC6C, f, 2)
        pickle.dump(1001, f, 2)
        pickle.dump(machine, f, 2)
        f.write(data)
        pickle.dump(sorted(key for key, _ in storages), f, 2)
        for key, storage in sorted(storages):
            f.write(struct.pack("<q", storage.numel) + storage.data)


save_zip("train.pt", 2)
save_zip("train-protocol4.pt", 4)
save_legacy("train-legacy.pt")
