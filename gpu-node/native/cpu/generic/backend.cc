// The generic plug-in: every op without ISA extensions, and the f32 mode that the other plug-ins
// are held to.
#include "cpu/generic/ops.h"
#include "cpu/thread_pool.h"

namespace fairlane::generic {
namespace {

constexpr Backend kBackend = {
    .abi_version = kBackendAbiVersion,
    .table_bytes = sizeof(Backend),
    .name = "generic",
    .tiles = kTiles,
    .tile_max = kTileMax,
    .open_pool = OpenThreadPool,
    .close_pool = CloseThreadPool,
    .pin_thread = PinThread,
    .run_parallel = RunThreadPool,
    .packed_bytes = PackedBytes,
    .pack_panel = PackPanel,
    .gemm = Gemm,
    .embed_tokens = EmbedTokens,
    .quantize_rows = QuantizeRows,
    .norm_quantize = NormQuantize,
    .silu_quantize = SiluQuantize,
    .rms_norm = RmsNorm,
    .add_bias = AddBias,
    .head_norm = HeadNorm,
    .rope = Rope,
    .kv_page_bytes = PageBytes,
    .append_kv = AppendKv,
    .paged_attention = PagedAttention,
    .paged_attention_bf16 = nullptr,
    .silu_mul = SiluMul,
    .sample_token = SampleToken,
    .export_page = ExportPage,
    .import_page = ImportPage,
    .dequantize_rows = DequantizeRows,
    .lora_shrink = LoraShrink,
    .lora_expand = LoraExpand,
};

}  // namespace
}  // namespace fairlane::generic

extern "C" __attribute__((visibility("default"))) const fairlane::Backend* fairlane_backend() {
  return &fairlane::generic::kBackend;
}
