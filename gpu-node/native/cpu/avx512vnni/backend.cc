// The AVX-512 VNNI plug-in. Bias, norm of heads, rope and the page size are the generic code,
// compiled with this ISA's flags.
#include "cpu/avx512vnni/ops.h"
#include "cpu/generic/ops.h"
#include "cpu/kv_page.h"
#include "cpu/thread_pool.h"

namespace fairlane::avx512vnni {
namespace {

size_t PageBytes(const KvShape* shape) { return KvPageBytes(*shape); }

constexpr Backend kBackend = {
    .abi_version = kBackendAbiVersion,
    .table_bytes = sizeof(Backend),
    .name = "avx512vnni",
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
    .paged_attention_bf16 = PagedAttentionBf16,
    .silu_mul = generic::SiluMul,
    .sample_token = SampleToken,
    .export_page = generic::ExportPage,
    .import_page = generic::ImportPage,
    .dequantize_rows = generic::DequantizeRows,
    .lora_shrink = LoraShrink,
    .lora_expand = LoraExpand,
};

}  // namespace
}  // namespace fairlane::avx512vnni

extern "C" __attribute__((visibility("default"))) const fairlane::Backend* fairlane_backend() {
  return &fairlane::avx512vnni::kBackend;
}
