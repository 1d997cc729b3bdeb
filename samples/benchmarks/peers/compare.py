#!/usr/bin/env python3
"""Times Gatun's operators against PyTorch and ONNX Runtime, in turns, on the same numbers.

    python3 -m pip install torch onnx onnxruntime     # what is not there is left out, and said
    samples/benchmarks/peers/compare.py               # all operators, 2 threads, 5 rounds
    samples/benchmarks/peers/compare.py --threads 1 --rounds 9 linear

Every side computes for a while without a pause and reports the median call of its last two thirds;
the table has the median of the rounds, and the lowest and highest. A ratio below 1 says that Gatun
takes less time. The results are compared first: a peer that computes something else stops the run.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import time

SHAPES = {
    "linear": [(256, 1152, 4608), (256, 1152, 1152), (512, 1152, 3456), (1024, 1024, 1024),
               (512, 4608, 1152), (1, 1152, 6912), (4, 256, 1152)],
    "attention": [(256, 16, 72), (1024, 16, 72), (4096, 16, 72)],
    "conv2d": [(64, 512, 512), (128, 256, 256), (256, 128, 128), (32, 384, 384)],
}


def operations(operator, n):
    """Floating-point operations of a call."""
    if operator == "linear":
        return 2 * n[0] * n[1] * n[2]
    if operator == "attention":
        return 4 * n[0] * n[0] * n[1] * n[2]
    return 2 * 9 * n[0] * n[0] * n[1] * n[2]


class Operands:
    """The numbers of OperatorServer.operand, in the same order."""

    def __init__(self):
        self.count = 0

    def __call__(self, *dims):
        import numpy
        self.count += 1
        size = int(numpy.prod(dims))
        with numpy.errstate(over="ignore"):
            i = numpy.arange(size, dtype=numpy.uint32) + numpy.uint32(self.count * 7919)
            h = i * numpy.uint32(0x9E3779B1)
            h = (h ^ h >> numpy.uint32(15)) * numpy.uint32(0x85EBCA6B) >> numpy.uint32(8)
        return (h.astype(numpy.float32) * numpy.float32(2.0 ** -24) - numpy.float32(0.5)).reshape(dims)


def operands(operator, n):
    make = Operands()
    if operator == "linear":
        return make(n[0], n[1]), make(n[2], n[1]), make(n[2])
    if operator == "attention":
        return tuple(make(1, n[0], n[1] * n[2]) for _ in range(3))
    return make(1, n[0], n[0], n[1]), make(n[2], n[1], 3, 3), make(n[2])


def torch_module(operator, n):
    """The operator as a module, with its weights as PyTorch likes them best, and its arguments."""
    import torch
    import torch.nn.functional as F
    a, b, c = (torch.from_numpy(t) for t in operands(operator, n))

    class Operator(torch.nn.Module):
        def __init__(self, weight, bias):
            super().__init__()
            self.weight, self.bias = weight, bias

        def forward(self, *x):
            if operator == "linear":
                return F.linear(x[0], self.weight, self.bias)
            if operator == "conv2d":
                return F.conv2d(x[0], self.weight, self.bias, padding=1)
            return F.scaled_dot_product_attention(*x)

    if operator == "attention":
        heads = tuple(t.view(1, n[0], n[1], n[2]).transpose(1, 2) for t in (a, b, c))
        return Operator(None, None), heads
    if operator == "conv2d":
        a = a.permute(0, 3, 1, 2)  # channels last in memory, as Gatun has it
        b = b.contiguous(memory_format=torch.channels_last)
    return Operator(b, c), (a,)


def as_gatun(operator, n, out):
    """The result in Gatun's order of elements."""
    if operator == "attention":
        return out.transpose(1, 2).reshape(-1)
    if operator == "conv2d":
        return out.permute(0, 2, 3, 1).reshape(-1)
    return out.reshape(-1)


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

    def __init__(self, threads):
        gatun = pathlib.Path(__file__).resolve().parents[3] / "gatun"
        self.process = subprocess.Popen([str(gatun), "operators", str(threads)], text=True,
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

    def prepare(self, operator, n):
        return [float(x) for x in self.ask(" ".join(map(str, (operator,) + n))).split()]

    def time(self, seconds):
        return float(self.ask(f"time {seconds}"))


class Eager:
    def __init__(self, threads):
        import torch
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)
        self.name, self.version = "PyTorch", torch.__version__

    def module(self, operator, n):
        return torch_module(operator, n)

    def prepare(self, operator, n):
        module, arguments = self.module(operator, n)
        self.call = lambda: module(*arguments)
        out = as_gatun(operator, n, self.call())
        return [float(out[out.numel() * i // 64]) for i in range(64)]

    def time(self, seconds):
        return median_call(self.call, seconds)


class Compiled(Eager):
    def __init__(self, threads):
        super().__init__(threads)
        self.name = "torch.compile"

    def module(self, operator, n):
        import torch
        torch._dynamo.reset()
        module, arguments = torch_module(operator, n)
        return torch.compile(module, mode="max-autotune-no-cudagraphs"), arguments


class OnnxRuntime:
    def __init__(self, threads):
        import onnx  # noqa: F401  the exporter needs it
        import onnxruntime
        self.name, self.version, self.threads = "ONNX Runtime", onnxruntime.__version__, threads

    def prepare(self, operator, n):
        import io
        import onnxruntime
        import torch
        module, arguments = torch_module(operator, n)
        if module.weight is not None:
            module.weight = torch.nn.Parameter(module.weight.contiguous(), requires_grad=False)
            module.bias = torch.nn.Parameter(module.bias, requires_grad=False)
        arguments = tuple(a.contiguous() for a in arguments)
        names = [f"x{i}" for i in range(len(arguments))]
        file = io.BytesIO()
        torch.onnx.export(module, arguments, file, input_names=names, opset_version=17, dynamo=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        session = onnxruntime.InferenceSession(file.getvalue(), options,
                                               providers=["CPUExecutionProvider"])
        feed = {name: a.numpy() for name, a in zip(names, arguments)}
        self.call = lambda: session.run(None, feed)
        out = as_gatun(operator, n, torch.from_numpy(self.call()[0]))
        return [float(out[out.numel() * i // 64]) for i in range(64)]

    def time(self, seconds):
        return median_call(self.call, seconds)


def open_peers(names, threads):
    peers = []
    for name, kind in (("eager", Eager), ("compile", Compiled), ("onnx", OnnxRuntime)):
        if name in names:
            try:
                peers.append(kind(threads))
            except ImportError as missing:
                print(f"compare: {name} is left out: {missing}", file=sys.stderr)
    if not peers:
        sys.exit("compare: no peer to compare with: python3 -m pip install torch")
    return peers


def check(peer, expected, found):
    scale = max(abs(x) for x in expected)
    worst = max(abs(x - y) for x, y in zip(expected, found))
    if worst > 1e-4 * scale:
        sys.exit(f"compare: {peer.name} computes something else: off by {worst:.3g} of {scale:.3g}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("operators", nargs="*", help="of: " + ", ".join(SHAPES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each side in each round")
    parser.add_argument("--peers", default="eager,compile,onnx")
    options = parser.parse_args()
    unknown = set(options.operators) - set(SHAPES)
    if unknown:
        parser.error(f"no operator {', '.join(sorted(unknown))}")
    os.environ.setdefault("OMP_NUM_THREADS", str(options.threads))
    gatun = Gatun(options.threads)
    peers = open_peers(options.peers.split(","), options.threads)
    print(f"Gatun: {gatun.version}")
    for peer in peers:
        print(f"{peer.name}: {peer.version}")
    print("\n| operator | Gatun ms (lowest, highest) | Gflop/s | peer | peer ms | Gatun / peer |")
    print("|---|---|---|---|---|---|")
    for operator in options.operators or SHAPES:
        for n in SHAPES[operator]:
            compare(gatun, peers, operator, n, options)


def compare(gatun, peers, operator, n, options):
    expected = gatun.prepare(operator, n)
    able = []
    for peer in peers:
        try:
            check(peer, expected, peer.prepare(operator, n))
            able.append(peer)
        except Exception as e:  # a compiler or exporter that cannot do this operator
            print(f"compare: {peer.name} cannot do {operator} {n}: {str(e)[:200]}", file=sys.stderr)
    times = {side: [] for side in [gatun] + able}
    for _ in range(options.rounds):
        for side in times:
            times[side].append(side.time(options.seconds))
    own = times[gatun]
    middle = statistics.median(own)
    name = f"{operator} {'×'.join(map(str, n))}"
    for peer in able:
        ratio = statistics.median(a / b for a, b in zip(own, times[peer]))
        print(f"| {name} | {middle * 1e3:.3f} ({min(own) * 1e3:.3f}, {max(own) * 1e3:.3f}) "
              f"| {operations(operator, n) / middle / 1e9:.0f} | {peer.name} "
              f"| {statistics.median(times[peer]) * 1e3:.3f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
