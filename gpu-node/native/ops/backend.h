// The table of ops: the C ABI of a backend. A plug-in is a shared object that exports
// kBackendSymbol, a function without parameters that returns its table; core/step.cc runs the
// layers over it. Invariants: every pointer is set unless it says so; ops keep no state, allocate
// nothing and throw nothing.
#pragma once

#include <cstdint>

#include "ops/add_bias.h"
#include "ops/append_kv.h"
#include "ops/embed_tokens.h"
#include "ops/gemm.h"
#include "ops/head_norm.h"
#include "ops/lora.h"
#include "ops/move_page.h"
#include "ops/paged_attention.h"
#include "ops/parallel.h"
#include "ops/quantize_rows.h"
#include "ops/rms_norm.h"
#include "ops/rope.h"
#include "ops/sample_token.h"
#include "ops/silu_mul.h"

namespace fairlane {

inline constexpr uint32_t kBackendAbiVersion = 12;
inline constexpr char kBackendSymbol[] = "fairlane_backend";

struct Backend {
  uint32_t abi_version;
  uint32_t table_bytes;  // sizeof(Backend), a second check against a stale plug-in
  const char* name;
  const TileTable* tiles;   // [kWeightFormatCount], good on most CPUs of the kind
  const int32_t* tile_max;  // [kWeightFormatCount], 0: the format is not known
  OpenPoolFn open_pool;
  ClosePoolFn close_pool;
  PinThreadFn pin_thread;
  RunParallelFn run_parallel;
  PackedBytesFn packed_bytes;
  PackPanelFn pack_panel;
  GemmFn gemm;
  EmbedTokensFn embed_tokens;
  QuantizeRowsFn quantize_rows;
  NormQuantizeFn norm_quantize;
  SiluQuantizeFn silu_quantize;
  RmsNormFn rms_norm;
  AddBiasFn add_bias;
  HeadNormFn head_norm;
  RopeFn rope;
  KvPageBytesFn kv_page_bytes;
  AppendKvFn append_kv;
  PagedAttentionFn paged_attention;
  PagedAttentionFn paged_attention_bf16;  // null without; only for CPUs with AVX512_BF16
  SiluMulFn silu_mul;
  SampleTokenFn sample_token;
  ExportPageFn export_page;
  ImportPageFn import_page;
  DequantizeRowsFn dequantize_rows;
  LoraShrinkFn lora_shrink;
  LoraExpandFn lora_expand;
};

using BackendFn = const Backend* (*)();

}  // namespace fairlane
