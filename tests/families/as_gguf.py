"""Writes a model of transformers as a GGUF file with the keys and names that llama.cpp's converter
writes. Names come from the gguf package's own table."""
import math
import re

import numpy as np

# Architectures that the gguf package does not know yet, and another one whose tensors have the same
# names.
NAMED_LIKE = {'mellum': 'qwen3moe'}
# Their rows of Q and K are interleaved, because llama.cpp rotates neighbours.
PERMUTED = ('llama', 'mistral3', 'granite', 'smollm3')


def permute(w, heads):
    return w.reshape(heads, 2, len(w) // heads // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def write_shape(w, c, arch):
    head_dim = getattr(c, 'head_dim', None)
    w.add_context_length(c.max_position_embeddings)
    w.add_embedding_length(c.hidden_size)
    w.add_block_count(c.num_hidden_layers)
    w.add_feed_forward_length(c.intermediate_size)
    w.add_head_count(c.num_attention_heads)
    w.add_head_count_kv(c.num_key_value_heads)
    if arch == 'starcoder2':
        w.add_layer_norm_eps(c.norm_epsilon)
    else:
        w.add_layer_norm_rms_eps(c.rms_norm_eps)
    if head_dim and arch not in ('granite', 'phi3'):
        w.add_key_length(head_dim)
        w.add_value_length(head_dim)
    if arch in PERMUTED:
        w.add_vocab_size(c.vocab_size)
    return head_dim or c.hidden_size // c.num_attention_heads


def llama3_divisors(r, rotary):
    out, original = [], r['original_max_position_embeddings']
    for i in range(0, rotary, 2):
        wave = 2 * math.pi * r['rope_theta']**(i / rotary)
        if wave < original / r['high_freq_factor']:
            out.append(1)
        elif wave > original / r['low_freq_factor']:
            out.append(r['factor'])
        else:
            smooth = (original / wave - r['low_freq_factor']) / (r['high_freq_factor'] -
                                                                 r['low_freq_factor'])
            out.append(1 / ((1 - smooth) / r['factor'] + smooth))
    return np.array(out, np.float32)


def write_rope(w, gguf, c, head_dim):
    r = c.rope_parameters
    if 'sliding_attention' in r:
        if c.model_type != 'olmo3':
            w.add_rope_freq_base_swa(r['sliding_attention']['rope_theta'])
        r = r['full_attention']
    rotary = int(head_dim * r.get('partial_rotary_factor', 1))
    kind = r.get('rope_type')
    w.add_rope_freq_base(r['rope_theta'])
    w.add_rope_dimension_count(rotary)
    if kind == 'linear':
        w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        w.add_rope_scaling_factor(r['factor'])
    elif kind == 'yarn':
        w.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        w.add_rope_scaling_factor(r['factor'])
        w.add_rope_scaling_orig_ctx_len(r['original_max_position_embeddings'])
        for key, add in (('attention_factor', w.add_rope_scaling_yarn_attn_factor),
                         ('beta_fast', w.add_rope_scaling_yarn_beta_fast),
                         ('beta_slow', w.add_rope_scaling_yarn_beta_slow)):
            if r.get(key) is not None:
                add(r[key])
    elif kind == 'longrope':
        original = r['original_max_position_embeddings']
        w.add_rope_scaling_orig_ctx_len(original)
        scale = c.max_position_embeddings / original
        w.add_rope_scaling_attn_factors(
            math.sqrt(1 + math.log(scale) / math.log(original)) if scale > 1 else 1.0)
        w.add_tensor('rope_factors_long.weight', np.array(r['long_factor'], np.float32))
        w.add_tensor('rope_factors_short.weight', np.array(r['short_factor'], np.float32))
    elif kind == 'llama3':
        w.add_tensor('rope_freqs.weight', llama3_divisors(r, rotary))


def write_own(w, c, arch):
    """Keys of single architectures."""
    if arch == 'mistral3':
        w.add_rope_scaling_yarn_log_mul(c.rope_parameters['mscale_all_dim'])
        w.add_attn_temperature_scale(c.rope_parameters['llama_4_scaling_beta'])
    experts = getattr(c, 'num_experts', getattr(c, 'num_local_experts', 0))
    if experts:
        w.add_expert_count(experts)
        w.add_expert_used_count(c.num_experts_per_tok)
    if arch in ('qwen3moe', 'mellum'):
        w.add_expert_feed_forward_length(c.moe_intermediate_size)
    if arch == 'gpt-oss':
        w.add_expert_feed_forward_length(c.intermediate_size)
    if arch in ('phi3', 'gpt-oss'):
        w.add_sliding_window(c.sliding_window or 0)
    if arch == 'mellum':
        w.add_expert_weights_norm(c.norm_topk_prob)
    if arch == 'mellum' or c.model_type == 'olmo3':
        w.add_sliding_window(c.sliding_window)
        w.add_sliding_window_pattern([t == 'sliding_attention' for t in c.layer_types])
    if arch == 'granite':
        w.add_attention_scale(c.attention_multiplier)
        w.add_embedding_scale(c.embedding_multiplier)
        w.add_residual_scale(c.residual_multiplier)
        w.add_logit_scale(c.logits_scaling)
    if arch == 'granite' and hasattr(c, 'shared_intermediate_size'):
        w.add_expert_shared_feed_forward_length(c.shared_intermediate_size)
        w.add_ssm_conv_kernel(c.mamba_d_conv)
        w.add_ssm_state_size(c.mamba_d_state)
        w.add_ssm_group_count(c.mamba_n_groups)
        w.add_ssm_inner_size(c.mamba_expand * c.hidden_size)
        w.add_ssm_time_step_rank(c.mamba_n_heads)
        w.add_rope_scaling_finetuned(c.position_embedding_type == 'rope')


def split_experts(name, x):
    """gpt-oss's, whose inputs are rows and whose gate and up come by turns."""
    name, bias, what = name.removesuffix('_bias'), name.endswith('_bias'), '.weight'
    if bias:
        what = '.bias'
    else:
        x = x.swapaxes(1, 2)
    if name.endswith('down_proj'):
        return [(name + what, x)]
    layer = name.removesuffix('gate_up_proj')
    return [(layer + 'gate_proj' + what, x[:, ::2]), (layer + 'up_proj' + what, x[:, 1::2])]


def split(name, x):
    """The tensors that the converter makes of one."""
    if name.endswith('sinks'):
        return [(name + '.weight', x)]
    if re.search(r'experts\.(gate_up|down)_proj(_bias)?$', name):
        return split_experts(name, x)
    if 'shared_mlp.input_linear' in name:
        gate, up = np.split(x, 2)
        return [(name.replace('shared_mlp.input_linear', 'mlp.gate_proj'), gate),
                (name.replace('shared_mlp.input_linear', 'mlp.up_proj'), up)]
    return [(name.replace('shared_mlp.output_linear', 'mlp.down_proj'), x)]


def stacked(weights):
    """Experts' matrices, each alone where transformers saves them, as the tensors of three
    dimensions that the converter makes of them."""
    parts = dict(w1='gate_proj', w3='up_proj', w2='down_proj')
    found, others = {}, {}
    for name, x in weights.items():
        m = re.fullmatch(r'(.*\.)[a-z_]+\.experts\.(\d+)\.(\w+)\.weight', name)
        if m:
            part = parts.get(m[3], m[3])
            found.setdefault(f'{m[1]}mlp.experts.{part}.weight', {})[int(m[2])] = x
        else:
            others[name] = x
    others.update({name: np.stack([of[e] for e in range(len(of))]) for name, of in found.items()})
    return others


def write(path, arch, config, weights, coded=False):
    """weights: name -> float32 array, as transformers saves them; coded: experts in MXFP4. A part
    for pictures is left out, for which the converter writes a file of its own."""
    import gguf
    named = NAMED_LIKE.get(arch, arch)
    kind = next(k for k, name in gguf.MODEL_ARCH_NAMES.items() if name == named)
    names = gguf.get_tensor_name_map(kind, config.num_hidden_layers)
    w = gguf.GGUFWriter(path, arch)
    head_dim = write_shape(w, config, arch)
    write_rope(w, gguf, config, head_dim)
    write_own(w, config, arch)
    for stored, value in stacked(weights).items():
        for name, x in split(stored, value):
            if arch in PERMUTED and '.q_proj.' in name:
                x = permute(x, config.num_attention_heads)
            if arch in PERMUTED and '.k_proj.' in name:
                x = permute(x, config.num_key_value_heads)
            if name.startswith(('vision_tower.', 'multi_modal_projector.')):
                continue
            name = name.removeprefix('language_model.')
            there = names.get_name(name, try_suffixes=('.weight', '.bias'))
            assert there, f'{name} has no name in GGUF files of {arch}'
            x = np.ascontiguousarray(x, np.float32)
            if coded and there.endswith('_exps.weight'):
                kind = gguf.GGMLQuantizationType.MXFP4
                w.add_tensor(there, gguf.quants.quantize(x, kind), raw_dtype=kind)
            else:
                w.add_tensor(there, x)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
