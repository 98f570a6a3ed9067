// The ops of the generic plug-in. Other CPU plug-ins compile some of them too, with their own
// flags, where an ISA brings nothing to an op.
#pragma once

#include "ops/backend.h"

namespace fairlane::generic {

size_t PackedBytes(WeightFormat format, int32_t rows, int32_t k);
void PackPanel(const GemmWeights* weights, int32_t panel, const void* const* rows);
void Gemm(const GemmWeights* weights, const GemmInput* input, const GemmOutput* output,
          int32_t panel_begin, int32_t panel_end);
extern const TileTable kTiles[kWeightFormatCount];
extern const int32_t kTileMax[kWeightFormatCount];
void EmbedTokens(const EmbedTokensArgs* args, int32_t token_begin, int32_t token_end);
void QuantizeRows(const QuantizeArgs* args, int32_t token_begin, int32_t token_end);
void NormQuantize(const NormQuantizeArgs* args, int32_t token_begin, int32_t token_end);
void SiluQuantize(const SiluQuantizeArgs* args, int32_t token_begin, int32_t token_end);
void RmsNorm(const RmsNormArgs* args, int32_t token_begin, int32_t token_end);
void AddBias(const AddBiasArgs* args, int32_t token_begin, int32_t token_end);
void HeadNorm(const HeadNormArgs* args, int32_t token_begin, int32_t token_end);
void Rope(const RopeArgs* args, int32_t token_begin, int32_t token_end);
size_t PageBytes(const KvShape* shape);
void AppendKv(const AppendKvArgs* args, int32_t token_begin, int32_t token_end);
// AppendKv for kKvInt8, of every plug-in.
void AppendKvInt8(const AppendKvArgs* args, int32_t token_begin, int32_t token_end);
void PagedAttention(const AttentionArgs* args, int32_t item_begin, int32_t item_end);
void SiluMul(const SiluMulArgs* args, int32_t token_begin, int32_t token_end);
void SampleToken(SampleTokenArgs* args);
void ExportPage(const KvShape* shape, const uint8_t* page, uint8_t* canonical);
void ImportPage(const KvShape* shape, const uint8_t* canonical, uint8_t* page);
void DequantizeRows(const DequantizeArgs* args, int32_t token_begin, int32_t token_end);
void LoraShrink(const LoraShrinkArgs* args, int32_t token_begin, int32_t token_end);
void LoraExpand(const LoraExpandArgs* args, const LoraPiece* piece);

}  // namespace fairlane::generic
