"""Muon: momentum whose matrices are made nearly orthogonal before they are applied (Jordan and
others, 2024), with AdamW for the rest.

Matrices of one shape are iterated together. The polynomial is the published quintic; five rounds of
it bring all singular values near 1, which is enough. The update of an r x c matrix is scaled by
sqrt(max(1, r / c)), so that one rate fits all shapes."""
import torch

A, B, C = 3.4445, -4.7750, 2.0315


def orthogonal(g, rounds=5):
    """Returns nearly U V^T of each of the n matrices g (n, r, c)."""
    x = g.bfloat16()
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / (x.float().norm(dim=(1, 2), keepdim=True) + 1e-7).bfloat16()
    for _ in range(rounds):
        a = x @ x.mT
        x = A * x + (B * a + C * (a @ a)) @ x
    return (x.mT if tall else x).float()


class Muon:
    def __init__(self, parameters, momentum=0.95, decay=0.01):
        self.groups = {}
        for p in parameters:
            self.groups.setdefault(tuple(p.shape), []).append(p)
        self.momentum, self.decay = momentum, decay
        self.state = {shape: torch.zeros(len(g), *shape) for shape, g in self.groups.items()}

    @torch.no_grad()
    def step(self, rate):
        for shape, group in self.groups.items():
            grad, m = torch.stack([p.grad for p in group]), self.state[shape]
            m.lerp_(grad, 1 - self.momentum)
            update = orthogonal(grad.lerp_(m, self.momentum))  # Nesterov
            scale = rate * max(1.0, shape[0] / shape[1]) ** 0.5
            for p, u in zip(group, update):
                p.mul_(1 - rate * self.decay).add_(u, alpha=-scale)


class Optimizer:
    """Muon for the layers' matrices, AdamW for embedding, head and gains. The rates are the full
    ones; step(part) multiplies them by part."""

    def __init__(self, model, matrix_rate, table_rate):
        named = list(model.named_parameters())
        self.muon = Muon([p for n, p in named if p.ndim == 2 and n.startswith('layers')])
        rest = [p for n, p in named if p.ndim != 2 or not n.startswith('layers')]
        self.adam = torch.optim.AdamW(rest,
                                      lr=table_rate,
                                      betas=(0.9, 0.97),
                                      weight_decay=0.0,
                                      eps=1e-10,
                                      fused=True)
        self.matrix_rate, self.table_rate = matrix_rate, table_rate

    def step(self, part):
        for group in self.adam.param_groups:
            group['lr'] = self.table_rate * part
        self.muon.step(self.matrix_rate * part)
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)
        for group in self.muon.groups.values():
            for p in group:
                p.grad = None

    def state(self):
        return {'muon': self.muon.state, 'adam': self.adam.state_dict()}

    def load(self, state):
        self.muon.state = state['muon']
        self.adam.load_state_dict(state['adam'])
