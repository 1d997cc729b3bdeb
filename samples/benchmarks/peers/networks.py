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
    return torch.cat((angles.cos(), angles.sin()), dim=1).to(t.dtype)


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


# The decoder of the KL autoencoder (Rombach and others 2022), kl-f8.


def norm32(channels, eps=1e-5):
    return nn.GroupNorm(32, channels, eps=eps)


def conv3(channels, out):
    return nn.Conv2d(channels, out, 3, padding=1)


def upsample(x):
    return F.interpolate(x, scale_factor=2, mode="nearest")


def as_tokens(x):
    """[N, C, H, W] -> [N, H * W, C], the same memory where channels are last."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def as_map(tokens, like):
    n, c, height, width = like.shape
    return tokens.view(n, height, width, c).permute(0, 3, 1, 2)


class ResnetBlock(nn.Module):
    def __init__(self, channels, out):
        super().__init__()
        self.norm1 = norm32(channels, 1e-6)
        self.conv1 = conv3(channels, out)
        self.norm2 = norm32(out, 1e-6)
        self.conv2 = conv3(out, out)
        if channels != out:
            self.nin_shortcut = nn.Conv2d(channels, out, 1)

    def forward(self, x):
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        return h + (self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x)


class AttnBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.norm = norm32(channels, 1e-6)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(channels, channels, 1)
                                                 for _ in range(4))

    def forward(self, x):
        h = self.norm(x)
        q, k, v = (as_tokens(conv(h))[:, None] for conv in (self.q, self.k, self.v))
        h = F.scaled_dot_product_attention(q, k, v)[:, 0]
        return x + self.proj_out(as_map(h, x))


class Upsample(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = conv3(channels, channels)

    def forward(self, x):
        return self.conv(upsample(x))


class Level(nn.Module):
    BLOCKS = 3

    def __init__(self, channels, out, enlarges):
        super().__init__()
        self.block = nn.ModuleList(ResnetBlock(out if i else channels, out)
                                   for i in range(self.BLOCKS))
        if enlarges:
            self.upsample = Upsample(out)

    def forward(self, x):
        for block in self.block:
            x = block(x)
        return self.upsample(x) if hasattr(self, "upsample") else x


class Decoder(nn.Module):
    WIDTHS = 128, 256, 512, 512  # of the levels, full resolution first

    def __init__(self, channels):
        super().__init__()
        last = self.WIDTHS[-1]
        self.conv_in = conv3(channels, last)
        self.mid = nn.ModuleDict({"block_1": ResnetBlock(last, last), "attn_1": AttnBlock(last),
                                  "block_2": ResnetBlock(last, last)})
        below = self.WIDTHS[1:] + (last,)
        self.up = nn.ModuleList(Level(below[i], width, enlarges=i > 0)
                                for i, width in enumerate(self.WIDTHS))
        self.norm_out = norm32(self.WIDTHS[0], 1e-6)
        self.conv_out = conv3(self.WIDTHS[0], 3)

    def forward(self, z):
        x = self.conv_in(z)
        for layer in self.mid.values():
            x = layer(x)
        for level in reversed(self.up):
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class Autoencoder(nn.Module):
    CHANNELS, SIDE, MEMORY = 4, 32, torch.channels_last

    def __init__(self):
        super().__init__()
        self.decoder = Decoder(self.CHANNELS)
        self.post_quant_conv = nn.Conv2d(self.CHANNELS, self.CHANNELS, 1)

    def forward(self, z):
        return self.decoder(self.post_quant_conv(z))


# ADM's UNet (Dhariwal and Nichol 2021), told a class.


class AdmResBlock(nn.Module):
    def __init__(self, channels, out, embedding, resize=None):
        super().__init__()
        self.resize = resize
        self.in_layers = nn.Sequential(norm32(channels), nn.SiLU(), conv3(channels, out))
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(embedding, 2 * out))
        self.out_layers = nn.Sequential(norm32(out), nn.SiLU(), nn.Identity(),  # for a dropout
                                        conv3(out, out))
        self.skip_connection = nn.Conv2d(channels, out, 1) if channels != out else nn.Identity()

    def forward(self, x, emb):
        norm, silu, conv = self.in_layers
        h = silu(norm(x))
        if self.resize is not None:
            h, x = self.resize(h), self.resize(x)
        h = conv(h)
        scale, shift = self.emb_layers(emb)[:, :, None, None].chunk(2, dim=1)
        norm, *rest = self.out_layers
        h = norm(h) * (1 + scale) + shift
        for layer in rest:
            h = layer(h)
        return self.skip_connection(x) + h


class AdmAttention(nn.Module):
    HEAD = 64

    def __init__(self, channels):
        super().__init__()
        self.norm = norm32(channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = nn.Conv1d(channels, channels, 1)

    def forward(self, x):
        h = as_tokens(self.norm(x))
        n, tokens, channels = h.shape
        qkv = F.linear(h, self.qkv.weight[..., 0], self.qkv.bias)
        qkv = qkv.view(n, tokens, 3, channels // self.HEAD, self.HEAD)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        h = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, tokens, channels)
        return x + as_map(F.linear(h, self.proj_out.weight[..., 0], self.proj_out.bias), x)


class AdmBlock(nn.ModuleList):
    def forward(self, x, emb):
        for layer in self:
            x = layer(x, emb) if isinstance(layer, AdmResBlock) else layer(x)
        return x


class Adm(nn.Module):
    """With attention at all levels but the first, as at 64x64."""

    CHANNELS, MEMORY = 3, torch.channels_last

    def __init__(self, side, width, multiples, depth):
        super().__init__()
        self.SIDE, self.width = side, width
        embedding = 4 * width
        self.time_embed = nn.Sequential(nn.Linear(width, embedding), nn.SiLU(),
                                        nn.Linear(embedding, embedding))
        self.label_emb = nn.Embedding(1000, embedding)

        def block(channels, out, level):
            attention = [AdmAttention(out)] if level > 0 else []
            return AdmBlock([AdmResBlock(channels, out, embedding)] + attention)

        levels = [width * multiple for multiple in multiples]
        c = width
        self.input_blocks = nn.ModuleList([AdmBlock([conv3(self.CHANNELS, c)])])
        skips = [c]
        for level, out in enumerate(levels):
            for _ in range(depth):
                self.input_blocks.append(block(c, out, level))
                c = out
                skips.append(c)
            if level < len(levels) - 1:
                self.input_blocks.append(AdmBlock([AdmResBlock(c, c, embedding, nn.AvgPool2d(2))]))
                skips.append(c)
        self.middle_block = AdmBlock([AdmResBlock(c, c, embedding), AdmAttention(c),
                                      AdmResBlock(c, c, embedding)])
        self.output_blocks = nn.ModuleList()
        for level, out in reversed(list(enumerate(levels))):
            for i in range(depth + 1):
                self.output_blocks.append(block(c + skips.pop(), out, level))
                c = out
            if level > 0:
                self.output_blocks[-1].append(AdmResBlock(c, c, embedding, upsample))
        self.out = nn.Sequential(norm32(c), nn.SiLU(), conv3(c, 2 * self.CHANNELS))

    def forward(self, x, t, y):
        emb = self.time_embed(timestep_embedding(t, self.width)) + self.label_emb(y)
        skips = []
        for block in self.input_blocks:
            x = block(x, emb)
            skips.append(x)
        x = self.middle_block(x, emb)
        for block in self.output_blocks:
            x = block(torch.cat((x, skips.pop()), dim=1), emb)
        return self.out(x)


NETWORKS = {  # what makes it, and the batch: two where guidance needs a pair
    "DiT-S/2": (lambda: DiT(12, 384, 6), 2),
    "DiT-B/2": (lambda: DiT(12, 768, 12), 2),
    "DiT-XL/2": (lambda: DiT(28, 1152, 16), 2),
    "U-ViT-L/2": (lambda: UViT(20, 1024, 16), 2),
    "ADM-64": (lambda: Adm(64, 192, (1, 2, 3, 4), 3), 1),
    "kl-f8": (Autoencoder, 1),  # decodes
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
    # Convolutions are faster, and attention needs no copies, with channels last.
    memory = getattr(network, "MEMORY", torch.contiguous_format)
    network.to(memory_format=memory)
    size = batch, network.SIDE, network.SIDE, network.CHANNELS
    x = torch.from_numpy(hashing.hashed(hashing.hash_code("x"), size, hashing.scale(1)))
    x = x.permute(0, 3, 1, 2).contiguous(memory_format=memory)
    if isinstance(network, Autoencoder):
        return network, (x,)
    t = torch.full((batch,), TIME)
    y = torch.tensor([LABEL] + [NULL_LABEL] * (batch - 1))
    return network, (x, t, y)
