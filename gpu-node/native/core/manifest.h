// Owns the parsing of the flat tensor manifest (native/MANIFEST.md): text in, parameters, files and
// tensors out. It opens no file; model_files.h does. Invariant: any input gives a Manifest or one
// error that names the line and the field, and sizes never overflow.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace fairlane {

enum class TensorType : int32_t {
  kF32,
  kF16,
  kBf16,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  kQ4_K,
  kQ5_K,
  kQ6_K
};

// Values and bytes of one block of a type, and its name in the manifest.
struct TensorTypeInfo {
  const char* name;
  int32_t block_values;
  int32_t block_bytes;
};
const TensorTypeInfo& InfoOf(TensorType type);

struct ModelParams {
  int32_t hidden = 0;
  int32_t layers = 0;
  int32_t heads = 0;
  int32_t kv_heads = 0;
  int32_t head_dim = 0;
  int32_t ffn = 0;
  int32_t vocab = 0;
  int32_t context = 0;
  double rope_base = 0;
  double rope_factor = 1;  // rotary angles are divided by it: all of them, or as the next three say
  // Llama 3: angles whose wave is shorter than rope_original_context / rope_high_frequency stay,
  // those longer than rope_original_context / rope_low_frequency are divided. Together or not.
  double rope_low_frequency = 0;
  double rope_high_frequency = 0;
  int32_t rope_original_context = 0;
  double rms_eps = 0;
  int32_t window = 0;              // positions that attention sees; 0: all
  int32_t window_first_layer = 0;  // this layer and those above have the window
  bool qk_interleaved = false;
};

struct ModelFileInfo {
  int64_t bytes = 0;
  std::string path;
};

struct TensorInfo {
  std::string name;
  TensorType type = TensorType::kF32;
  int32_t dim_count = 0;
  std::array<int64_t, 4> dims = {};  // row-major, outermost first
  int32_t file = 0;
  int64_t offset = 0;
  int64_t bytes = 0;
};

struct Manifest {
  std::string arch;
  ModelParams params;
  std::vector<ModelFileInfo> files;
  std::vector<TensorInfo> tensors;
  std::unordered_map<std::string, int32_t> tensor_index;  // name -> index into tensors

  // Null if there is no such tensor.
  const TensorInfo* Find(const std::string& name) const;
};

// Parses the text of a manifest. On failure returns false with *error set.
bool ParseManifest(std::string_view text, Manifest* manifest, std::string* error);

// Reads and parses the file at `path`.
bool ReadManifest(const std::string& path, Manifest* manifest, std::string* error);

}  // namespace fairlane
