/* Names of commands and options of other programs, and what they are called here. */
#include "command.h"

/* Options that other programs, above all llama.cpp, have under another name. */
const struct synonym apus_synonyms[] = {
    {"--temperature", "--temp"},
    {"--ctx-size", "--ctx"},
    {"--context", "--ctx"},
    {"--n-predict", "--tokens"},
    {"--predict", "--tokens"},
    {"--max-tokens", "--tokens"},
    {"-s", "--seed"},
    {"-md", "--draft"},
    {"--model-draft", "--draft"},
    {"--repeat-last-n", "--repeat-last"},
    {"--draft-max", "--draft-tokens"},
    {"-r", "--stop"},
    {"--reverse-prompt", "--stop"},
    {NULL, NULL},
};

#define CHAT "A conversation is held by: apus chat MODEL.apus"
#define NO_DOWNLOAD                                                                                \
    "apus fetches nothing: get a GGUF file or a Hugging Face directory, then apus-pack makes a "   \
    "blob of it."
#define PACK "Another program makes blobs: apus-pack MODEL.gguf -o MODEL.apus"
#define RUN  "A prompt is completed by: apus run MODEL.apus 'PROMPT'"

/* Commands and options of other programs that have no counterpart here. */
const struct strange apus_strange_commands[] = {
    {" conversation interactive repl ", CHAT},
    {" serve server http ",
     "Completion over HTTP is apus serve, which this build leaves out where it "
     "found no libevent."},
    {" pack convert quantize quantise create import build ", PACK},
    {" pull download get fetch ", NO_DOWNLOAD},
    {" generate complete completion prompt infer main cli ", RUN},
    {" show inspect describe model list ls ", "What a blob holds is said by: apus info MODEL.apus"},
    {" version ", "The version is told by: apus --version"},
    {" eval ppl ", "apus perplexity and apus compare judge a model by a text."},
    {NULL, NULL},
};
const struct strange apus_strange_options[] = {
    {" -ngl --n-gpu-layers --gpu-layers ",
     "A GPU computes with --engine igpu; --engine igpu:20,cpu has the first 20 layers there."},
    {" -cnv --conversation -i --interactive --interactive-first -sys --system-prompt "
     "--chat-template --jinja ",
     CHAT},
    {" -hf --hf-repo -hff --hf-file -mu --model-url ", NO_DOWNLOAD},
    {" --mmap --no-mmap --mlock --numa ",
     "The blob is mapped and used in place; there is nothing to set."},
    {" -b -ub --batch-size --ubatch-size -fa --flash-attn ",
     "Apus chooses this itself; there is nothing to set."},
    {" -ctk -ctv --cache-type-k --cache-type-v ", "Keys and values are always 8 bits."},
    {" --grammar --grammar-file --json-schema ",
     "A grammar goes through the library: the logits callback of apus_begin."},
    {" --version -V -v ", "The version is told by: apus --version"},
    {" --greedy ", "The likeliest token is taken each time unless --temp is given."},
    {NULL, NULL},
};
