// The ops that AVX-512 with VNNI has kernels of its own for.
#pragma once

#include "ops/backend.h"

namespace fairlane::avx512vnni {

size_t PackedBytes(WeightFormat format, int32_t rows, int32_t k);
void PackPanel(const GemmWeights* weights, int32_t panel, const void* const* rows);
void Gemm(const GemmWeights* weights, const GemmInput* input, const GemmOutput* output,
          int32_t panel_begin, int32_t panel_end);
inline constexpr int32_t kF32TileMax = 6;
void GemmF32(const GemmWeights& weights, const GemmInput& input, const GemmOutput& output,
             int32_t panel_begin, int32_t panel_end);
extern const TileTable kTiles[kWeightFormatCount];
extern const int32_t kTileMax[kWeightFormatCount];
void EmbedTokens(const EmbedTokensArgs* args, int32_t token_begin, int32_t token_end);
void QuantizeRows(const QuantizeArgs* args, int32_t token_begin, int32_t token_end);
void NormQuantize(const NormQuantizeArgs* args, int32_t token_begin, int32_t token_end);
void SiluQuantize(const SiluQuantizeArgs* args, int32_t token_begin, int32_t token_end);
void AppendKv(const AppendKvArgs* args, int32_t token_begin, int32_t token_end);
void PagedAttention(const AttentionArgs* args, int32_t item_begin, int32_t item_end);
void PagedAttentionBf16(const AttentionArgs* args, int32_t item_begin, int32_t item_end);
void SampleToken(SampleTokenArgs* args);
void LoraShrink(const LoraShrinkArgs* args, int32_t token_begin, int32_t token_end);
void LoraExpand(const LoraExpandArgs* args, const LoraPiece* piece);

}  // namespace fairlane::avx512vnni
