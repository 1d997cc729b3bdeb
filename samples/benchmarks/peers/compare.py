#!/usr/bin/env python3
"""Times Gatun against PyTorch and ONNX Runtime, operators or networks, in turns on the same numbers.

    python3 -m pip install torch onnx onnxruntime     # what is not there is left out, and said
    samples/benchmarks/peers/compare.py               # all operators, 2 threads, 5 rounds
    samples/benchmarks/peers/compare.py --threads 1 --rounds 9 linear
    samples/benchmarks/peers/compare.py network       # one evaluation of each network
    samples/benchmarks/peers/compare.py --peers eager DiT-XL/2
    samples/benchmarks/peers/compare.py --dtype bf16 linear   # both sides in bf16
    samples/benchmarks/peers/compare.py --dtype i8 linear     # Gatun in i8, the peer in bf16

Every side computes for a while without a pause and reports the median call of its last two thirds;
the table has the median of the rounds, and the lowest and highest. A ratio below 1 says that Gatun
takes less time. The results are compared first: a peer that computes something else stops the run.
Gatun's first three seconds of a network do not count, because the JVM still compiles.
"""

import argparse
import gc
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

SHAPES = {
    "linear": [(256, 1152, 4608), (256, 1152, 1152), (512, 1152, 3456), (1024, 1024, 1024),
               (512, 4608, 1152), (1, 1152, 6912), (4, 256, 1152)],
    "attention": [(256, 16, 72), (1024, 16, 72), (4096, 16, 72)],
    "conv2d": [(64, 512, 512), (128, 256, 256), (256, 128, 128), (32, 384, 384)],
}


# Those of networks.py, which cannot be imported without PyTorch.
NETWORKS = ["DiT-S/2", "DiT-B/2", "DiT-XL/2", "U-ViT-L/2", "ADM-64", "kl-f8"]
BF16_TOLERANCE = 5e-2
SHOWN = 64  # elements of a result, as in OperatorServer


class Operator:
    """An operator at a shape: what Gatun calls it, and the same in PyTorch."""

    tolerance, warm_up = 1e-4, 0

    def __init__(self, operator, n):
        self.operator, self.n = operator, n
        self.name = f"{operator} {'×'.join(map(str, n))}"
        self.command = " ".join(map(str, (operator,) + n))

    def operations(self):
        """Floating-point operations of a call."""
        n = self.n
        if self.operator == "linear":
            return 2 * n[0] * n[1] * n[2]
        if self.operator == "attention":
            return 4 * n[0] * n[0] * n[1] * n[2]
        return 2 * 9 * n[0] * n[0] * n[1] * n[2]

    def operands(self):
        """The numbers of OperatorServer.operand, in the same order."""
        from hashing import hashed
        n = self.n
        if self.operator == "linear":
            shapes = (n[0], n[1]), (n[2], n[1]), (n[2],)
        elif self.operator == "attention":
            shapes = ((1, n[0], n[1] * n[2]),) * 3
        else:
            shapes = (1, n[0], n[0], n[1]), (n[2], n[1], 3, 3), (n[2],)
        return tuple(hashed(7919 * (i + 1), shape) for i, shape in enumerate(shapes))

    def module(self):
        """A module, with its weights as PyTorch likes them best, and its arguments."""
        import torch
        import torch.nn.functional as F
        operator, n = self.operator, self.n
        a, b, c = (torch.from_numpy(t) for t in self.operands())

        class Module(torch.nn.Module):
            def __init__(self, weight, bias):
                super().__init__()
                self.weight = torch.nn.Parameter(weight, requires_grad=False)
                self.bias = torch.nn.Parameter(bias, requires_grad=False)

            def forward(self, *x):
                if operator == "linear":
                    return F.linear(x[0], self.weight, self.bias)
                if operator == "conv2d":
                    return F.conv2d(x[0], self.weight, self.bias, padding=1)
                return F.scaled_dot_product_attention(*x)

        if operator == "attention":
            heads = tuple(t.view(1, n[0], n[1], n[2]).transpose(1, 2) for t in (a, b, c))
            return Module(torch.empty(0), torch.empty(0)), heads
        if operator == "conv2d":
            a = a.permute(0, 3, 1, 2)  # channels last in memory, as Gatun has it
            b = b.contiguous(memory_format=torch.channels_last)
        return Module(b, c), (a,)

    def as_gatun(self, out):
        """The result in Gatun's order of elements."""
        if self.operator == "attention":
            return out.transpose(1, 2).reshape(-1)
        if self.operator == "conv2d":
            return out.permute(0, 2, 3, 1).reshape(-1)
        return out.reshape(-1)


class Network:
    """An evaluation of a network; the peers share its weights, which may be gigabytes."""

    tolerance, warm_up = 1e-3, 3  # seconds

    def __init__(self, name):
        self.name, self.made = name, None

    @property
    def command(self):
        import networks
        return f"network {self.name} {networks.batch(self.name)}"

    def operations(self):
        return None

    def module(self):
        import networks
        self.made = self.made or networks.make(self.name)
        return self.made

    def as_gatun(self, out):
        return out.permute(0, 2, 3, 1).reshape(-1)


def shown(work, out):
    """The elements that OperatorServer shows."""
    out = work.as_gatun(out)
    size = out.numel()
    return [float(out[(size * i // SHOWN + i) % size]) for i in range(SHOWN)]


def median_call(call, seconds):
    begin, times = time.perf_counter(), []
    while True:
        start = time.perf_counter()
        call()
        end = time.perf_counter()
        if end - begin > seconds / 3:
            times.append(end - start)
        if times and end - begin >= seconds:
            return statistics.median(times)


class Gatun:
    name = "Gatun"

    def __init__(self, threads, dtype):
        gatun = pathlib.Path(__file__).resolve().parents[3] / "gatun"
        self.process = subprocess.Popen([str(gatun), "operators", str(threads), dtype], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.version = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit("compare: Gatun ended; what it said is above")
        return line.strip()

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.answer()

    def prepare(self, work):
        return [float(x) for x in self.ask(work.command).split()]

    def time(self, seconds):
        return float(self.ask(f"time {seconds}"))


class Peer:
    def time(self, seconds):
        return median_call(self.call, seconds)

    def release(self):
        """Forgets what it prepared."""
        self.call = None


class Eager(Peer):
    def __init__(self, threads):
        import torch
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)
        self.name, self.version = "PyTorch", torch.__version__

    def prepare(self, work):
        module, arguments = work.module()
        self.call = lambda: module(*arguments)
        return shown(work, self.call())


class EagerBf16(Eager):
    """The whole module in bf16, activations included."""

    def __init__(self, threads):
        super().__init__(threads)
        self.name = "PyTorch bf16"

    def prepare(self, work):
        import copy
        import torch
        module, arguments = work.module()
        module = copy.deepcopy(module).bfloat16()
        for parameter in module.parameters():
            if parameter.dim() == 2:  # the layout that is best for f32 is not for bf16
                parameter.data = parameter.data.contiguous()
        arguments = [a.bfloat16() if a.is_floating_point() else a for a in arguments]
        self.call = lambda: module(*arguments)
        return shown(work, self.call().float())


class Compiled(Eager):
    def __init__(self, threads):
        super().__init__(threads)
        self.name = "torch.compile"

    def prepare(self, work):
        import torch
        module, arguments = work.module()
        compiled = torch.compile(module, mode="max-autotune-no-cudagraphs")
        self.call = lambda: compiled(*arguments)
        return shown(work, self.call())

    def release(self):
        import torch
        super().release()
        torch._dynamo.reset()


class OnnxRuntime(Peer):
    def __init__(self, threads):
        import onnx  # noqa: F401  the exporter needs it
        import onnxruntime
        self.name, self.version, self.threads = "ONNX Runtime", onnxruntime.__version__, threads

    def prepare(self, work):
        import onnxruntime
        import torch
        module, arguments = work.module()
        arguments = tuple(a.contiguous() for a in arguments)
        names = [f"x{i}" for i in range(len(arguments))]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # this exporter is the older one, which needs no more
            # A file, because beyond 2 GiB the weights go to others beside it.
            file = os.path.join(folder, "network.onnx")
            torch.onnx.export(module, arguments, file, input_names=names, opset_version=17,
                              dynamo=False)
            session = onnxruntime.InferenceSession(file, options,
                                                   providers=["CPUExecutionProvider"])
        feed = {name: a.numpy() for name, a in zip(names, arguments)}
        self.call = lambda: session.run(None, feed)
        return shown(work, torch.from_numpy(self.call()[0]))


def open_peers(names, threads, dtype):
    peers = []
    kinds = (("eager", Eager), ("compile", Compiled), ("onnx", OnnxRuntime))
    for name, kind in kinds if dtype == "f32" else (("eager", EagerBf16),):
        if name in names:
            try:
                peers.append(kind(threads))
            except ImportError as missing:
                print(f"compare: {name} is left out: {missing}", file=sys.stderr)
    if not peers:
        sys.exit("compare: no peer to compare with: python3 -m pip install torch")
    return peers


def check(peer, work, expected, found):
    scale = max(abs(x) for x in expected)
    worst = max(abs(x - y) for x, y in zip(expected, found))
    tolerance = max(work.tolerance, BF16_TOLERANCE if "bf16" in peer.name else 0)
    if not worst <= tolerance * scale:
        sys.exit(f"compare: {peer.name} computes another {work.name}: off by {worst:.3g} of {scale:.3g}")


def work(names):
    """What the words of the command line stand for."""
    for name in names:
        if name in SHAPES:
            yield from (Operator(name, n) for n in SHAPES[name])
        else:
            yield from map(Network, NETWORKS if name == "network" else [name])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help=f"of operators: {', '.join(SHAPES)} (all unless told); network for all"
                        f" networks, or of one: {', '.join(NETWORKS)}")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each side in each round")
    parser.add_argument("--peers", default="eager,compile,onnx")
    parser.add_argument("--dtype", choices=("f32", "bf16", "i8"), default="f32")
    options = parser.parse_args()
    unknown = set(options.names) - set(SHAPES) - set(NETWORKS) - {"network"}
    if unknown:
        parser.error(f"no operator or network is called {', '.join(sorted(unknown))}; there are "
                     + ", ".join([*SHAPES, "network", *NETWORKS]))
    os.environ.setdefault("OMP_NUM_THREADS", str(options.threads))
    gatun = Gatun(options.threads, options.dtype)
    peers = open_peers(options.peers.split(","), options.threads, options.dtype)
    print(f"Gatun: {gatun.version}")
    for peer in peers:
        print(f"{peer.name}: {peer.version}")
    print("\n| what | Gatun ms (lowest, highest) | Gflop/s | peer | peer ms | Gatun / peer |")
    print("|---|---|---|---|---|---|")
    for one in work(options.names or SHAPES):
        compare(gatun, peers, one, options)
        for peer in peers:
            peer.release()
        gc.collect()


def compare(gatun, peers, work, options):
    expected = gatun.prepare(work)
    able = []
    for peer in peers:
        try:
            check(peer, work, expected, peer.prepare(work))
            able.append(peer)
        except Exception as e:  # a compiler or exporter that cannot do it
            peer.release()
            print(f"compare: {peer.name} cannot do {work.name}: {str(e)[:200]}", file=sys.stderr)
    times = {side: [] for side in [gatun] + able}
    if work.warm_up:
        gatun.time(work.warm_up)
    for _ in range(options.rounds):
        for side in times:
            times[side].append(side.time(options.seconds))
    own = times[gatun]
    middle = statistics.median(own)
    operations = work.operations()
    rate = f"{operations / middle / 1e9:.0f}" if operations else "–"
    for peer in able:
        ratio = statistics.median(a / b for a, b in zip(own, times[peer]))
        print(f"| {work.name} | {middle * 1e3:.3f} ({min(own) * 1e3:.3f}, {max(own) * 1e3:.3f}) "
              f"| {rate} | {peer.name} "
              f"| {statistics.median(times[peer]) * 1e3:.3f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
