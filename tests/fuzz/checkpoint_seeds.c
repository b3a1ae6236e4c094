/* checkpoint_seeds GGUF_FOLDER SAFETENSORS_FOLDER: small sound inputs for the fuzzers to start
 * from. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/source/written.h"
#include "weights/pack/checkpoint/source_inside.h"

static int save(const char *folder, const char *name, struct bytes *b) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    int ok = f && fwrite(b->data, 1, b->size, f) == b->size;
    if (f && fclose(f) != 0) ok = 0;
    bytes_free(b);
    return ok;
}

/* The tiny model and one loose tensor of every type: no model, but a sound file. */
static struct bytes every_type(void) {
    static const uint32_t types[] = {GGUF_TYPE_F16,  GGUF_TYPE_BF16, GGUF_TYPE_Q4_0,
                                     GGUF_TYPE_Q4_1, GGUF_TYPE_Q5_0, GGUF_TYPE_Q5_1,
                                     GGUF_TYPE_Q8_0, GGUF_TYPE_Q2_K, GGUF_TYPE_Q3_K,
                                     GGUF_TYPE_Q4_K, GGUF_TYPE_Q5_K, GGUF_TYPE_Q6_K};
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"};
    static struct gguf_description g;
    describe_gguf(&g);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        const struct gguf_type_info *info = gguf_type_info(types[i]);
        add_entry(&g, (struct gguf_entry){.name = names[i],
                                          .dims = 1,
                                          .type = types[i],
                                          .shape = {info->block},
                                          .size = info->bytes});
    }
    return write_gguf(&g);
}

/* One layer of width 256 with one head of 4: the matrices over the width are of K types, the others
 * F32. */
static struct bytes quantized(void) {
    static struct gguf_description g;
    describe_gguf(&g);
    find_key(&g, "llama.embedding_length")->number = 256;
    find_key(&g, "llama.feed_forward_length")->number = 4;
    find_key(&g, "llama.attention.head_count")->number = 1;
    find_key(&g, "llama.block_count")->number = 1;
    add_key(&g,
            (struct gguf_key){.key = "llama.attention.key_length", .kind = GGUF_U32, .number = 4});
    add_key(&g, (struct gguf_key){
                    .key = "llama.attention.value_length", .kind = GGUF_U32, .number = 4});
    while (strstr(g.tensors[10].name, "blk.1.")) drop_entry(&g, g.tensors[10].name);
    for (size_t i = 0; i < g.tensors_count; i++) {
        static const uint32_t types[] = {GGUF_TYPE_Q2_K, GGUF_TYPE_Q3_K, GGUF_TYPE_Q4_K,
                                         GGUF_TYPE_Q5_K, GGUF_TYPE_Q6_K};
        struct gguf_entry *t = &g.tensors[i];
        bool narrow = strstr(t->name, "attn_output") || strstr(t->name, "ffn_down"),
             vector = t->dims == 1;
        t->shape[1] = vector ? 1 : narrow ? 256 : t->shape[1] == 10 ? 10 : 4;
        t->shape[0] = narrow ? 4 : 256;
        t->type = vector || narrow ? GGUF_TYPE_F32 : types[i % 5];
        const struct gguf_type_info *info = gguf_type_info(t->type);
        t->size = t->shape[0] / info->block * info->bytes * t->shape[1];
    }
    return write_gguf(&g);
}

/* A seed that the reader refuses would start the fuzzer from nothing. */
static bool opens_as_gguf(const struct bytes *b) {
    struct diag d = {{0}};
    struct source *source = source_open_gguf_memory(b->data, b->size, &d);
    if (!source) fprintf(stderr, "%s\n", d.text);
    source_close(source);
    return source != NULL;
}

static bool opens_as_directory(const struct bytes *b) {
    struct diag d = {{0}};
    size_t config = (size_t)b->data[0] | (size_t)b->data[1] << 8;
    struct source *source = source_open_json_memory((const char *)b->data + 2, config,
                                                    b->data + 2 + config, b->size - 2 - config, &d);
    if (!source) fprintf(stderr, "%s\n", d.text);
    source_close(source);
    return source != NULL;
}

static struct bytes with_header(const char *config, const char *header, size_t data) {
    struct bytes b = {0}, weights = write_safetensors(header, 0, data);
    put_uint(&b, strlen(config), 2);
    put(&b, config, strlen(config));
    put(&b, weights.data, weights.size);
    bytes_free(&weights);
    return b;
}

static struct bytes directory(const char *config) {
    size_t data;
    char *header = safetensors_header(&data);
    struct bytes b = with_header(config, header, data);
    free(header);
    return b;
}

/* The tiny model with the two lists of LongRoPE, on one of two pairs of each head. */
static struct bytes long_rope(void) {
    static const char *const names[] = {"rope_factors_long.weight", "rope_factors_short.weight"};
    static struct gguf_description g;
    describe_gguf(&g);
    find_key(&g, "llama.rope.dimension_count")->number = 2;
    for (size_t i = 0; i < 2; i++)
        add_entry(&g, (struct gguf_entry){
                          .name = names[i], .dims = 1, .shape = {1}, .size = 4, .first = 2});
    return write_gguf(&g);
}

/* A model whose layers with a window have a RoPE of their own. */
static struct bytes two_ropes(void) {
    static struct gguf_description g;
    describe_mellum(&g);
    add_key(&g,
            (struct gguf_key){.key = "mellum.rope.freq_base_swa", .kind = GGUF_F32, .real = 500});
    add_key(&g, (struct gguf_key){.key = "mellum.attention.sliding_window_pattern",
                                  .kind = GGUF_ARRAY,
                                  .element = GGUF_BOOL,
                                  .count = 2,
                                  .number = 1});
    return write_gguf(&g);
}

/* The same directory as one of another family, whose architecture and keys are here. */
struct family_seed {
    const char *name, *keys;
};
static const struct family_seed FAMILIES[] = {
    {"smollm3", "SmolLM3ForCausalLM\"], \"no_rope_layers\": [1, 0], "},
    {"granite",
     "GraniteForCausalLM\"], \"embedding_multiplier\": 12, \"residual_multiplier\": 0.2, "
     "\"attention_multiplier\": 0.1, \"logits_scaling\": 8, "},
    {"phi3", "Phi3ForCausalLM\"], \"partial_rotary_factor\": 0.5, \"rope_parameters\": {\"type\": "
             "\"su\", \"short_factor\": [1], \"long_factor\": [2]}, "},
    {"yarn",
     "Ministral3ForCausalLM\"], \"rope_parameters\": {\"rope_type\": \"yarn\", \"factor\": 4, "
     "\"original_max_position_embeddings\": 16, \"mscale\": 1, \"mscale_all_dim\": 1, "
     "\"llama_4_scaling_beta\": 0.1}, "},
    {"ropes",
     "LlamaForCausalLM\"], \"sliding_window\": 24, \"layer_types\": [\"sliding_attention\", "
     "\"full_attention\"], \"rope_parameters\": {\"full_attention\": {\"rope_type\": \"yarn\", "
     "\"factor\": 4, \"original_max_position_embeddings\": 16}, \"sliding_attention\": "
     "{\"rope_type\": \"linear\", \"factor\": 2, \"rope_theta\": 500}}, "},
};

static bool save_families(const char *folder) {
    bool good = true;
    for (size_t i = 0; i < sizeof FAMILIES / sizeof FAMILIES[0]; i++) {
        char *config = replaced(CONFIG_JSON, "LlamaForCausalLM\"], ", FAMILIES[i].keys);
        struct bytes b = directory(config);
        good = opens_as_directory(&b) && save(folder, FAMILIES[i].name, &b) && good;
        free(config);
    }
    return good;
}

/* The same as text_config of a model for pictures. */
static bool save_inside(const char *folder) {
    char config[4096];
    char *inner = replaced(CONFIG_JSON, "\"llama\"", "\"mistral\"");
    snprintf(config, sizeof config,
             "{\"architectures\": [\"Mistral3ForConditionalGeneration\"], \"vision_config\": {}, "
             "\"text_config\": %s}",
             inner);
    free(inner);
    struct bytes b = directory(config);
    return opens_as_directory(&b) && save(folder, "mistral3", &b);
}

/* Blocks and scales of 4-bit floats, which only the reader of safetensors sees. */
static struct bytes pair(void) {
    return with_header("{}",
                       "{\"a_blocks\":{\"dtype\":\"U8\",\"shape\":[2,1,16],"
                       "\"data_offsets\":[0,32]},"
                       "\"a_scales\":{\"dtype\":\"U8\",\"shape\":[2,1],"
                       "\"data_offsets\":[32,34]}}",
                       34);
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    static struct gguf_description g;
    describe_gguf(&g);
    struct bytes tiny = write_gguf(&g), types = every_type(), blocks = quantized(),
                 lists = long_rope(), ropes = two_ropes();
    char *deci = replaced(CONFIG_JSON, "LlamaForCausalLM\"], ",
                          "DeciLMForCausalLM\"], \"num_key_value_heads_per_layer\": [1, 1], ");
    char *scaled = replaced(CONFIG_JSON, "null",
                            "{\"rope_type\": \"llama3\", \"factor\": 8, \"low_freq_factor\": 1, "
                            "\"high_freq_factor\": 4, "
                            "\"original_max_position_embeddings\": 32}");
    struct bytes llama = directory(CONFIG_JSON), decilm = directory(deci),
                 llama3 = directory(scaled), codes = pair();
    free(deci);
    free(scaled);
    bool sound = opens_as_gguf(&tiny) && opens_as_gguf(&blocks) && opens_as_gguf(&lists) &&
                 opens_as_gguf(&ropes) && opens_as_directory(&llama) &&
                 opens_as_directory(&decilm) && opens_as_directory(&llama3);
    int ok = save(argv[1], "tiny", &tiny) & save(argv[1], "types", &types) &
             save(argv[1], "blocks", &blocks) & save(argv[1], "lists", &lists) &
             save(argv[1], "ropes", &ropes) & save(argv[2], "llama", &llama) &
             save(argv[2], "decilm", &decilm) & save(argv[2], "llama3", &llama3) &
             save(argv[2], "codes", &codes);
    return ok && sound && save_families(argv[2]) && save_inside(argv[2]) ? 0 : 1;
}
