// Contract of the embedding look-up: row `token` of a packed matrix, back in f32.
#pragma once

#include <cstdint>

#include "ops/gemm.h"

namespace fairlane {

struct EmbedTokensArgs {
  const GemmWeights* table;
  const int32_t* token;  // [tokens], each below table->rows
  float* y;              // [tokens, table->k]
};

using EmbedTokensFn = void (*)(const EmbedTokensArgs* args, int32_t token_begin, int32_t token_end);

}  // namespace fairlane
