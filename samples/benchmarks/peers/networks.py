"""The networks that compare.py times, in plain PyTorch: written from the papers for inference, with
the parameter names of the authors' checkpoints and the fused operators that PyTorch has.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

import hashing

TIME = 500.0
LABEL, NULL_LABEL = 207, 1000


def timestep_embedding(t, width):
    """[N] -> [N, width]: cosines, then sines."""
    half = width // 2
    frequencies = torch.exp(-math.log(10000) / half * torch.arange(half, dtype=torch.float32))
    angles = t[:, None] * frequencies
    return torch.cat((angles.cos(), angles.sin()), dim=1)


class Attention(nn.Module):
    def __init__(self, width, heads, qkv_bias):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=qkv_bias)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        n, tokens, width = x.shape
        qkv = self.qkv(x).view(n, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        x = F.scaled_dot_product_attention(q, k, v)
        return self.proj(x.transpose(1, 2).reshape(n, tokens, width))


class Mlp(nn.Module):
    def __init__(self, width, gelu):
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.gelu = gelu
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x):
        return self.fc2(self.gelu(self.fc1(x)))


class PatchEmbed(nn.Module):
    def __init__(self, channels, patch, width):
        super().__init__()
        self.proj = nn.Conv2d(channels, width, patch, patch)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


def unpatchify(tokens, patch):
    """[N, L, patch * patch * C] -> [N, C, H, W]."""
    n, count, width = tokens.shape
    grid, channels = math.isqrt(count), width // (patch * patch)
    x = tokens.view(n, grid, grid, patch, patch, channels).permute(0, 5, 1, 3, 2, 4)
    return x.reshape(n, channels, grid * patch, grid * patch)


# DiT (Peebles and Xie 2022) with adaLN-Zero blocks.


def modulation(width, count):
    return nn.Sequential(nn.SiLU(), nn.Linear(width, count * width))


def modulate(x, shift, scale):
    return x * (1 + scale[:, None]) + shift[:, None]


class DiTBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.attn = Attention(width, heads, qkv_bias=True)
        self.norm2 = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.mlp = Mlp(width, nn.GELU(approximate="tanh"))
        self.adaLN_modulation = modulation(width, 6)

    def forward(self, x, c):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.adaLN_modulation(c).chunk(6, dim=1)
        x = x + gate1[:, None] * self.attn(modulate(self.norm1(x), shift1, scale1))
        return x + gate2[:, None] * self.mlp(modulate(self.norm2(x), shift2, scale2))


class DiTTime(nn.Module):
    FREQUENCIES = 256

    def __init__(self, width):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(self.FREQUENCIES, width), nn.SiLU(),
                                 nn.Linear(width, width))

    def forward(self, t):
        return self.mlp(timestep_embedding(t, self.FREQUENCIES))


class DiTLabel(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.embedding_table = nn.Embedding(NULL_LABEL + 1, width)

    def forward(self, y):
        return self.embedding_table(y)


class DiTFinal(nn.Module):
    def __init__(self, width, out):
        super().__init__()
        self.norm_final = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.linear = nn.Linear(width, out)
        self.adaLN_modulation = modulation(width, 2)

    def forward(self, x, c):
        shift, scale = self.adaLN_modulation(c).chunk(2, dim=1)
        return self.linear(modulate(self.norm_final(x), shift, scale))


class DiT(nn.Module):
    CHANNELS, SIDE, PATCH = 4, 32, 2

    def __init__(self, depth, width, heads):
        super().__init__()
        self.pos_embed = nn.Parameter(torch.empty(1, (self.SIDE // self.PATCH) ** 2, width))
        self.x_embedder = PatchEmbed(self.CHANNELS, self.PATCH, width)
        self.t_embedder = DiTTime(width)
        self.y_embedder = DiTLabel(width)
        self.blocks = nn.ModuleList(DiTBlock(width, heads) for _ in range(depth))
        self.final_layer = DiTFinal(width, self.PATCH ** 2 * 2 * self.CHANNELS)

    def forward(self, x, t, y):
        x = self.x_embedder(x) + self.pos_embed
        c = self.t_embedder(t) + self.y_embedder(y)
        for block in self.blocks:
            x = block(x, c)
        return unpatchify(self.final_layer(x, c), self.PATCH)


# U-ViT (Bao and others 2022), told a class.


class UViTBlock(nn.Module):
    def __init__(self, width, heads, skip=False):
        super().__init__()
        self.skip_linear = nn.Linear(2 * width, width) if skip else None
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads, qkv_bias=False)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, nn.GELU())

    def forward(self, x, skip=None):
        if self.skip_linear is not None:
            x = self.skip_linear(torch.cat((x, skip), dim=-1))
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class UViT(nn.Module):
    CHANNELS, SIDE, PATCH = 4, 32, 2
    EXTRAS = 2  # label and time come before the patches

    def __init__(self, depth, width, heads):
        super().__init__()
        self.width = width
        tokens = self.EXTRAS + (self.SIDE // self.PATCH) ** 2
        self.pos_embed = nn.Parameter(torch.empty(1, tokens, width))
        self.patch_embed = PatchEmbed(self.CHANNELS, self.PATCH, width)
        self.label_emb = nn.Embedding(NULL_LABEL + 1, width)
        self.in_blocks = nn.ModuleList(UViTBlock(width, heads) for _ in range(depth // 2))
        self.mid_block = UViTBlock(width, heads)
        self.out_blocks = nn.ModuleList(UViTBlock(width, heads, skip=True)
                                        for _ in range(depth // 2))
        self.norm = nn.LayerNorm(width)
        self.decoder_pred = nn.Linear(width, self.PATCH ** 2 * self.CHANNELS)
        self.final_layer = nn.Conv2d(self.CHANNELS, self.CHANNELS, 3, padding=1)

    def forward(self, x, t, y):
        time = timestep_embedding(t, self.width)
        extras = torch.stack((self.label_emb(y), time), dim=1)
        x = torch.cat((extras, self.patch_embed(x)), dim=1) + self.pos_embed
        skips = []
        for block in self.in_blocks:
            x = block(x)
            skips.append(x)
        x = self.mid_block(x)
        for block in self.out_blocks:
            x = block(x, skips.pop())
        x = self.decoder_pred(self.norm(x)[:, self.EXTRAS:])
        return self.final_layer(unpatchify(x, self.PATCH))


NETWORKS = {  # what makes it, and the batch: two where guidance needs a pair
    "DiT-S/2": (lambda: DiT(12, 384, 6), 2),
    "DiT-B/2": (lambda: DiT(12, 768, 12), 2),
    "DiT-XL/2": (lambda: DiT(28, 1152, 16), 2),
    "U-ViT-L/2": (lambda: UViT(20, 1024, 16), 2),
}


def batch(name):
    return NETWORKS[name][1]


def make(name):
    """A network with HashedParameters, and the arguments that NetworkTrial gives it."""
    build, batch = NETWORKS[name]
    with torch.device("meta"):  # every weight is overwritten
        network = build()
    network = network.to_empty(device="cpu").eval().requires_grad_(False)
    for key, tensor in network.state_dict().items():
        tensor.copy_(torch.from_numpy(hashing.parameter(key, tuple(tensor.shape))))
    x = torch.from_numpy(hashing.hashed(hashing.hash_code("x"),
                                        (batch, network.SIDE, network.SIDE, network.CHANNELS),
                                        hashing.scale(1)))
    x = x.permute(0, 3, 1, 2).contiguous()
    t = torch.full((batch,), TIME)
    y = torch.tensor([LABEL] + [NULL_LABEL] * (batch - 1))
    return network, (x, t, y)
