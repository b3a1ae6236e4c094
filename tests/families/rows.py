"""The families that families_test.py goes over, one row each. A new family is a row here; if its
GGUF files have keys or tensors of their own, a few lines in as_gguf.py."""
import dataclasses
import math


@dataclasses.dataclass
class Row:
    name: str
    family: str  # of transformers: <family>Config, <family>ForCausalLM
    config: dict = dataclasses.field(default_factory=dict)  # beside SMALL
    gguf: str = None  # the architecture as llama.cpp's converter names it; None: no GGUF file
    like: str = 'llama'  # the row whose KL this one is compared with
    gain: dict = dataclasses.field(default_factory=dict)  # factors of random weights, by what their
    # names contain, which undo the model's own factors (of scores, residuals, logits ...), so that
    # the row is as hard as the one that it is compared with
    pack: tuple = ()  # options of apus-pack
    inside: str = None  # the model is text_config of <inside>ForConditionalGeneration
    around: dict = dataclasses.field(default_factory=dict)  # the rest of that one's configuration
    positions: int = 128  # how many are evaluated; the last 32 ids are the model's own greedy text
    greedy: bool = True  # False: all ids are random
    coded: bool = False  # files may have experts as 4-bit floats
    calibrated: bool = False  # calibration computes what other families do not have

    def tied(self):
        return {**SMALL, **self.config, **self.around}['tie_word_embeddings']


SMALL = dict(vocab_size=384,
             hidden_size=128,
             intermediate_size=256,
             num_hidden_layers=4,
             num_attention_heads=4,
             num_key_value_heads=2,
             max_position_embeddings=256,
             rms_norm_eps=1e-5,
             bos_token_id=1,
             eos_token_id=2,
             pad_token_id=0,
             tie_word_embeddings=False)


def rope(kind, theta=10000.0, **more):
    return dict(rope_parameters=dict(rope_type=kind, rope_theta=theta, **more))


GRANITE = dict(embedding_multiplier=12.0,
               attention_multiplier=0.0078125,
               residual_multiplier=0.22,
               logits_scaling=8.0)
# a head of 32 has scores divided by its square root; here they are multiplied by 1 / 128
GRANITE_GAIN = {
    'embed_tokens': 1 / 12,
    'q_proj': 128 / 32**0.5,
    'o_proj': 1 / 0.22,
    'down_proj': 1 / 0.22,
    'output_linear': 1 / 0.22,
    'lm_head': 8
}
GRANITE4 = dict(GRANITE,
                num_local_experts=0,
                num_experts_per_tok=0,
                shared_intermediate_size=256,
                layer_types=['full_attention'] * 4)
STARCODER2 = dict(sliding_window=4096, norm_epsilon=1e-5)
PHI4 = dict(original_max_position_embeddings=64)
PHI4_GAIN = {'qkv_proj': (1 + math.log(4) / math.log(64))**-0.5}


def phi4_rope():
    """12 of 16 frequencies: three quarters of a head of 32."""
    return rope('longrope',
                partial_rotary_factor=0.75,
                short_factor=[1 + i / 16 for i in range(12)],
                long_factor=[1 + i / 2 for i in range(12)])


MINISTRAL3 = dict(rope('yarn',
                       theta=1000000.0,
                       factor=4.0,
                       original_max_position_embeddings=128,
                       mscale=1.0,
                       mscale_all_dim=1.0,
                       beta_fast=32.0,
                       beta_slow=1.0,
                       llama_4_scaling_beta=0.1),
                  head_dim=32,
                  max_position_embeddings=512)
OLMO3 = dict(
    rope_parameters=dict(full_attention=dict(rope_type='yarn',
                                             rope_theta=500000.0,
                                             factor=4.0,
                                             original_max_position_embeddings=64,
                                             beta_fast=32.0,
                                             beta_slow=1.0,
                                             attention_factor=0.1 * math.log(4) + 1),
                         sliding_attention=dict(rope_type='default', rope_theta=500000.0)))
PIXTRAL = dict(model_type='pixtral',
               hidden_size=32,
               intermediate_size=64,
               num_hidden_layers=1,
               num_attention_heads=2,
               image_size=32,
               patch_size=16)

ROWS = [
    # what the others are compared with
    Row('llama', 'Llama', gguf='llama'),
    Row('llama-tied', 'Llama', dict(tie_word_embeddings=True), gguf='llama', like='llama-tied'),
    # every scaling of RoPE
    Row('llama-3.1',
        'Llama',
        rope('llama3',
             theta=500000.0,
             factor=8.0,
             low_freq_factor=1.0,
             high_freq_factor=4.0,
             original_max_position_embeddings=32),
        gguf='llama'),
    Row('llama-linear', 'Llama', rope('linear', factor=4.0), gguf='llama'),
    Row('llama-dynamic',
        'Llama',
        dict(rope('dynamic', factor=4.0), max_position_embeddings=64),
        pack=('--ctx', '128'),
        greedy=False),
    Row('llama-yarn',
        'Llama',
        rope('yarn', factor=4.0, original_max_position_embeddings=64),
        gguf='llama',
        gain={'q_proj': (0.1 * math.log(4) + 1)**-2}),
    Row('qwen2-yarn',
        'Qwen2',
        rope('yarn',
             theta=1000000.0,
             factor=4.0,
             original_max_position_embeddings=64,
             attention_factor=1.25,
             beta_fast=16.0,
             beta_slow=2.0),
        gguf='qwen2',
        gain={'q_proj': 1.25**-2}),
    Row('llama-yarn-exact',
        'Llama',
        rope('yarn',
             factor=32.0,
             original_max_position_embeddings=64,
             mscale=0.5,
             mscale_all_dim=1.0,
             truncate=False),
        gain={'q_proj': ((0.1 * math.log(32) + 1) / (0.05 * math.log(32) + 1))**2}),
    # families
    Row('mistral', 'Mistral', dict(head_dim=48, sliding_window=None), gguf='llama'),
    Row('mistral-window', 'Mistral', dict(sliding_window=24)),
    Row('qwen2-window',
        'Qwen2',
        dict(use_sliding_window=True, sliding_window=24, max_window_layers=2)),
    Row('ministral',
        'Ministral',
        dict(head_dim=32,
             sliding_window=24,
             layer_types=['full_attention', 'sliding_attention'] * 2)),
    Row('ministral-3', 'Ministral3', MINISTRAL3, gguf='mistral3'),
    Row('ministral-3-pictures',
        'Ministral3',
        MINISTRAL3,
        gguf='mistral3',
        like='llama-tied',
        inside='Mistral3',
        around=dict(vision_config=PIXTRAL, image_token_index=10, tie_word_embeddings=True)),
    Row('phi-3-window', 'Phi3', dict(sliding_window=24), gguf='phi3'),
    Row('phi-4-mini-short',
        'Phi3',
        dict(PHI4, **phi4_rope(), tie_word_embeddings=True),
        gguf='phi3',
        like='llama-tied',
        gain=PHI4_GAIN,
        pack=('--ctx', '64'),
        positions=64),
    Row('phi-4-mini-long',
        'Phi3',
        dict(PHI4, **phi4_rope(), tie_word_embeddings=True),
        gguf='phi3',
        like='llama-tied',
        gain=PHI4_GAIN),
    Row('granite-3', 'Granite', dict(GRANITE), gguf='granite', gain=GRANITE_GAIN),
    Row('granite-4',
        'GraniteMoeHybrid',
        dict(GRANITE4, position_embedding_type='rope'),
        gguf='granite',
        gain=GRANITE_GAIN),
    Row('granite-4-nope',
        'GraniteMoeHybrid',
        dict(GRANITE4),
        gguf='granite',
        gain=GRANITE_GAIN),
    Row('smollm3',
        'SmolLM3',
        dict(rope('default', theta=5000000.0), tie_word_embeddings=True),
        gguf='smollm3',
        like='llama-tied'),
    Row('smollm3-list', 'SmolLM3', dict(no_rope_layers=[0, 1, 1, 0])),
    # norms of the heads of q and k; heads that are wider than dim / heads
    Row('qwen3',
        'Qwen3',
        dict(head_dim=48, tie_word_embeddings=True, rms_norm_eps=1e-6),
        gguf='qwen3',
        like='llama-tied',
        calibrated=True),
    Row('qwen3-yarn',
        'Qwen3',
        dict(rope('yarn', theta=1000000.0, factor=4.0, original_max_position_embeddings=64),
             head_dim=64,
             attention_bias=True),
        gguf='qwen3',
        gain={
            'q_norm': (0.1 * math.log(4) + 1)**-2,
            'o_proj.bias': 0
        }),
    # norms behind the sublayers, of all heads together, and none before; widths whose largest power
    # of two is a part of them
    Row('olmo2', 'Olmo2', dict(rms_norm_eps=1e-6), gguf='olmo2', calibrated=True),
    Row('olmo2-blocks',
        'Olmo2',
        dict(hidden_size=160, num_attention_heads=5, num_key_value_heads=5, attention_bias=True),
        gain={'o_proj.bias': 0}),
    # the same, and windows in three of four layers, which YaRN does not scale
    Row('olmo3',
        'Olmo3',
        dict(OLMO3, sliding_window=24),
        gguf='olmo2',
        gain={'layers.3.self_attn.q_norm': (0.1 * math.log(4) + 1)**-2},
        calibrated=True),
    # layer norms, biases everywhere, GELU without a gate
    Row('starcoder2', 'Starcoder2', dict(STARCODER2), gguf='starcoder2', calibrated=True),
    Row('starcoder2-tied',
        'Starcoder2',
        dict(STARCODER2, tie_word_embeddings=True, hidden_size=144),
        like='llama-tied'),
    Row('starcoder2-plain', 'Starcoder2', dict(STARCODER2, use_bias=False), calibrated=True),
    Row('starcoder2-window', 'Starcoder2', dict(STARCODER2, sliding_window=48)),
    # experts, sinks, windows by turns, biases everywhere, a clamped activation
    Row('gpt-oss',
        'GptOss',
        dict(rope('yarn',
                  theta=150000.0,
                  factor=4.0,
                  original_max_position_embeddings=64,
                  beta_fast=32.0,
                  beta_slow=1.0,
                  truncate=False),
             head_dim=32,
             num_local_experts=6,
             num_experts_per_tok=2,
             intermediate_size=192,
             sliding_window=24),
        gguf='gpt-oss',
        gain={
            'q_proj': (0.1 * math.log(4) + 1)**-2,
            'gate_up_proj_bias': 8  # so that both clamps are reached
        },
        coded=True,
        calibrated=True),
    # experts
    Row('mixtral',
        'Mixtral',
        dict(num_local_experts=5, num_experts_per_tok=2, sliding_window=None),
        gguf='llama',
        calibrated=True),
    Row('qwen3-moe',
        'Qwen3Moe',
        dict(num_experts=8,
             num_experts_per_tok=3,
             moe_intermediate_size=128,
             norm_topk_prob=True,
             head_dim=32,
             use_sliding_window=False),
        gguf='qwen3moe',
        calibrated=True),
    # two RoPE tables, windows in three of four layers
    Row('mellum-2',
        'Mellum',
        dict(rope_parameters=dict(full_attention=dict(rope_type='yarn',
                                                      rope_theta=500000.0,
                                                      factor=4.0,
                                                      original_max_position_embeddings=64,
                                                      beta_fast=32.0,
                                                      beta_slow=1.0),
                                  sliding_attention=dict(rope_type='default', rope_theta=10000.0)),
             num_experts=8,
             num_experts_per_tok=3,
             moe_intermediate_size=128,
             head_dim=32,
             sliding_window=24,
             layer_types=['sliding_attention'] * 3 + ['full_attention']),
        gguf='mellum',
        gain={'layers.3.self_attn.q_norm': (0.1 * math.log(4) + 1)**-2},
        calibrated=True),
    Row('qwen3-moe-all',
        'Qwen3Moe',
        dict(num_experts=8,
             num_experts_per_tok=3,
             moe_intermediate_size=128,
             norm_topk_prob=False,
             head_dim=32,
             use_sliding_window=False)),
]
