#!/usr/bin/env python3
"""Tells how far PyTorch's result in bf16 is from its own in f32, for the networks of compare.py.

    samples/benchmarks/peers/bf16_error.py DiT-XL/2
    ./gatun bench DiT-XL/2 --batch 2 --dtype bf16 --compare f32     # the same of Gatun

The error is ‖a − b‖ / ‖b‖ over all elements; the whole module is in bf16, activations included.
"""

import sys

import torch

import networks


def main():
    torch.set_grad_enabled(False)
    for name in sys.argv[1:] or ["DiT-XL/2"]:
        module, arguments = networks.make(name)
        expected = module(*arguments).float()
        brain = [a.bfloat16() if a.is_floating_point() else a for a in arguments]
        found = module.bfloat16()(*brain).float()
        print(f"{name}: {float((found - expected).norm() / expected.norm()):.2e}")


if __name__ == "__main__":
    main()
