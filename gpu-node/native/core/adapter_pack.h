// Owns the packing of an adapter: reads its matrices from files, checks their shapes against the
// model, and writes page images and table (adapter_layout.h). It keeps no state and needs no
// engine, so it runs on any thread. Invariant: the same files and geometry give the same bytes; on
// an error nothing is kept.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "core/adapter_layout.h"
#include "core/manifest.h"

namespace fairlane {

// A matrix in a file, row-major; f32, f16 or bf16.
struct AdapterTensor {
  int32_t file = 0;  // index into AdapterSpec::paths
  int64_t offset = 0;
  TensorType type = TensorType::kF32;
  int64_t rows = 0;
  int64_t columns = 0;
};

struct AdapterModuleSpec {
  int32_t layer = 0;
  LoraModule module = kLoraQ;
  int32_t rank = 0;
  float scaling = 1.0F;
  AdapterTensor a;  // [rank, inputs]
  AdapterTensor b;  // [outputs, rank]
};

struct AdapterSpec {
  std::vector<std::string> paths;
  std::vector<AdapterModuleSpec> modules;
};

struct FreeMemory {
  void operator()(uint8_t* data) const { std::free(data); }
};

struct PackedAdapter {
  int32_t page_count = 0;
  size_t image_bytes = 0;
  std::unique_ptr<uint8_t, FreeMemory> images;  // [page_count, page_bytes]
  std::vector<int32_t> table;
};

// `code` is one of: bad_module (a layer or module the model lacks, twice the same, or none),
// bad_rank, bad_scaling, wrong_shape, bad_dtype, unreadable_file, truncated_file, not_finite (or
// beyond f16), too_large, out_of_memory.
struct PackError {
  const char* code = "";
  std::string message;
};

// False with *error set.
bool PackAdapter(const AdapterGeometry& geometry, const AdapterSpec& spec, PackedAdapter* packed,
                 PackError* error);

}  // namespace fairlane
