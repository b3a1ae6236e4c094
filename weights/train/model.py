"""The Llama architecture in PyTorch, for training only: names and shapes as in a Hugging Face
checkpoint."""
import dataclasses
import math

import torch
import torch.nn.functional as F
from torch import nn

BLOCK = 256  # queries


@dataclasses.dataclass
class Shape:
    dim: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocab: int
    context: int = 1024
    theta: float = 10000.0
    eps: float = 1e-5


def rope_table(shape, length):
    inverse = shape.theta**(-torch.arange(0, shape.head_dim, 2, dtype=torch.float64) /
                            shape.head_dim)
    angle = torch.arange(length, dtype=torch.float64)[:, None] * inverse
    return torch.cat((angle.cos(), angle.cos()), 1).float(), torch.cat((angle.sin(), angle.sin()),
                                                                       1).float()


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat((-b, a), -1) * sin


@torch.compiler.disable  # compiled for a CPU its gradients become NaN (PyTorch 2.15)
@torch.autocast('cpu', enabled=False)  # which would take the softmax in float32
def attend(q, k, v):
    """Causal attention. Heads of q that share one of k and v are rows of one product. It is written
    out, because PyTorch's own is slow backwards in bfloat16 on a CPU, and in blocks of queries, as
    each of them meets only the keys up to its end."""
    (b, heads, t, d), kv = q.shape, k.shape[1]
    q, k, v = (q * d**-0.5).view(b, kv, heads // kv, t, d), k.flatten(0, 1), v.flatten(0, 1)
    later = torch.full((min(t, BLOCK), ) * 2, -1e9, dtype=q.dtype).triu(1)
    out = []
    for begin in range(0, t, BLOCK):
        end = min(t, begin + BLOCK)
        mask = F.pad(later[:end - begin, :end - begin], (begin, 0)).repeat(heads // kv, 1)
        block = q[:, :, :, begin:end].reshape(b * kv, -1, d)
        part = torch.softmax(torch.baddbmm(mask, block, k[:, :end].mT), -1) @ v[:, :end]
        out.append(part.view(b, heads, end - begin, d))
    return torch.cat(out, 2)


class RMSNorm(nn.Module):
    def __init__(self, dim, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(dim)), eps

    def forward(self, x):
        return F.rms_norm(x, x.shape[-1:], self.weight.to(x.dtype), self.eps)


class Attention(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.s = s
        self.q_proj = nn.Linear(s.dim, s.heads * s.head_dim, bias=False)
        self.k_proj = nn.Linear(s.dim, s.kv_heads * s.head_dim, bias=False)
        self.v_proj = nn.Linear(s.dim, s.kv_heads * s.head_dim, bias=False)
        self.o_proj = nn.Linear(s.heads * s.head_dim, s.dim, bias=False)

    def forward(self, x, cos, sin):
        s, (b, t, _) = self.s, x.shape
        q, k, v = (p(x).view(b, t, -1, s.head_dim).transpose(1, 2)
                   for p in (self.q_proj, self.k_proj, self.v_proj))
        y = attend(rotate(q, cos, sin), rotate(k, cos, sin), v)
        return self.o_proj(y.transpose(1, 2).reshape(b, t, -1))


class MLP(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.gate_proj = nn.Linear(s.dim, s.ffn, bias=False)
        self.up_proj = nn.Linear(s.dim, s.ffn, bias=False)
        self.down_proj = nn.Linear(s.ffn, s.dim, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.input_layernorm, self.post_attention_layernorm = RMSNorm(s.dim,
                                                                      s.eps), RMSNorm(s.dim, s.eps)
        self.self_attn, self.mlp = Attention(s), MLP(s)

    def forward(self, x, cos, sin):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Llama(nn.Module):
    def __init__(self, shape, seed=1):
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Embedding(shape.vocab, shape.dim)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = RMSNorm(shape.dim, shape.eps)
        self.lm_head = nn.Linear(shape.dim, shape.vocab, bias=False)
        cos, sin = rope_table(shape, shape.context)
        self.register_buffer('cos', cos, persistent=False)
        self.register_buffer('sin', sin, persistent=False)
        self.start(torch.Generator().manual_seed(seed))

    def start(self, generator):
        """Parts that write to the residual stream start small, so that at first every layer is
        nearly the identity."""
        for name, p in self.named_parameters():
            if p.ndim < 2:
                continue
            deviation = {
                'embed_tokens.weight': 0.5,
                'lm_head.weight': 0.5 / math.sqrt(self.shape.dim)
            }.get(name, 0.6 / math.sqrt(p.shape[1]))
            if name.endswith(('o_proj.weight', 'down_proj.weight')):
                deviation /= math.sqrt(2 * self.shape.layers)
            with torch.no_grad():
                p.normal_(0, deviation, generator=generator)

    def hidden(self, ids, kind=torch.bfloat16):
        x, t = self.embed_tokens(ids).to(kind), ids.shape[1]
        cos, sin = self.cos[:t].to(x.dtype), self.sin[:t].to(x.dtype)
        for layer in self.layers:
            x = layer(x, cos, sin)
        return x

    def forward(self, ids, kind=torch.bfloat16):
        return self.lm_head(self.norm(self.hidden(ids, kind)))

    def behind(self, ids, wanted):
        """The logits at those positions that `wanted` marks."""
        return self.lm_head(self.norm(self.hidden(ids).flatten(0, 1)[wanted]))

    def parameters_count(self):
        return sum(p.numel() for p in self.parameters())
