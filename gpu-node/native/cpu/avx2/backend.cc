// The AVX2 plug-in. Bias, norm of heads, rope and the page size are the generic code, compiled with
// this ISA's flags.
#include "cpu/avx2/ops.h"
#include "cpu/generic/ops.h"
#include "cpu/kv_page.h"
#include "cpu/thread_pool.h"

namespace fairlane::avx2 {
namespace {

size_t PageBytes(const KvShape* shape) { return KvPageBytes(*shape); }

constexpr Backend kBackend = {
    .abi_version = kBackendAbiVersion,
    .table_bytes = sizeof(Backend),
    .name = "avx2",
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
    .rms_norm = generic::RmsNorm,
    .add_bias = generic::AddBias,
    .head_norm = generic::HeadNorm,
    .rope = generic::Rope,
    .kv_page_bytes = PageBytes,
    .append_kv = AppendKv,
    .paged_attention = PagedAttention,
    .paged_attention_bf16 = nullptr,
    .silu_mul = generic::SiluMul,
    .sample_token = SampleToken,
    .export_page = generic::ExportPage,
    .import_page = generic::ImportPage,
    .dequantize_rows = generic::DequantizeRows,
    .lora_shrink = LoraShrink,
    .lora_expand = LoraExpand,
};

}  // namespace
}  // namespace fairlane::avx2

extern "C" __attribute__((visibility("default"))) const fairlane::Backend* fairlane_backend() {
  return &fairlane::avx2::kBackend;
}
