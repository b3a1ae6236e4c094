"""Which experts a token goes to is a comparison of a few numbers. Where two are nearly equal,
rounding turns it, and all that follows is another text: of a small random model, whose experts have
nothing in common, far more than of a trained one. So the float model is compared with where its
tokens go to the experts that the packed model chose; and the choices themselves are compared by the
numbers they were made by."""
import numpy as np
import torch

import numerics

MARGIN = 5


def of_contract(blob, ids):
    """The logits of docs/numerics.md in numpy, and of each layer with experts those that every
    token chose and the router's products: [n][active], [n][experts]."""
    seen, route = [], numerics.route

    def watched(products, active, everyone):
        chosen, weights = route(products, active, everyone)
        seen.append((chosen, products))
        return chosen, weights

    numerics.route = watched
    try:
        return numerics.logits(numerics.Blob(blob), ids), seen
    finally:
        numerics.route = route


def worst(chosen, products):
    """How far the best expert that was not chosen is above the worst that was, for each token."""
    least = np.take_along_axis(products, chosen, axis=1).min(axis=1)
    others = products.copy()
    np.put_along_axis(others, chosen, -np.inf, axis=1)
    return others.max(axis=1) - least


def followed(model, ids, seen):
    """The float model's logits where its tokens go the same ways; how many choices it would have
    made otherwise; and sentences on those by more than rounding explains: MARGIN times the root
    mean square of what it does to the router's products."""
    routers = [m for m in model.modules() if type(m).__name__.endswith('Router')]
    assert len(routers) == len(seen), f'{len(routers)} routers, {len(seen)} layers with experts'
    bad, turned = [], 0

    def hook_of(layer):

        def hook(router, inputs, outputs):
            nonlocal turned
            chosen, products = seen[layer]
            logits = outputs[0]
            own = logits.numpy()
            off = products - own
            over = worst(chosen, own)
            bound = MARGIN * float(np.sqrt(np.mean(off * off)))
            turned += int((over > 0).sum())
            bad.extend(f'layer {layer}: token {at} goes to experts that are {over[at]:.4f} behind '
                       f'another, beyond {bound:.4f}' for at in np.nonzero(over > bound)[0])
            at = torch.from_numpy(chosen.astype(np.int64))
            scores = torch.softmax(logits, dim=-1).gather(-1, at)
            if getattr(router, 'norm_topk_prob', True):
                scores = scores / scores.sum(dim=-1, keepdim=True)
            return logits, scores, at

        return hook

    hooks = [router.register_forward_hook(hook_of(i)) for i, router in enumerate(routers)]
    try:
        with torch.no_grad():
            return model(torch.tensor([ids]), use_cache=False).logits[0].numpy(), turned, bad
    finally:
        for hook in hooks:
            hook.remove()
