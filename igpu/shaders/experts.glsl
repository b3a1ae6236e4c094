// Where a pass keeps what it computes for a layer's experts (docs/numerics.md 5). A column with an
// expert that it chose is a pair. The pairs of one expert are neighbours, so that a product reads
// its weights once; the order of an expert's own pairs does not matter, since each is computed by
// itself.
const uint EXPERTS_MAX = 512; // weights/format.h
// A column's choices, by expert: words [columns][used][CHOICE_WORDS].
const uint CHOICE_EXPERT = 0, CHOICE_WEIGHT = 1, CHOICE_PAIR = 2, CHOICE_WORDS = 3;
// The pairs of each expert: words [experts][2], the first pair and how many there are.
// Quantized pairs lie in tiles of 16, whatever the columns of the pass: igpu/push.h's TILE.
const uint PAIR_TILE = 16;
uint pair_tile(uint kp, uint pair) { return pair / PAIR_TILE * act_tile_words(kp, PAIR_TILE); }
