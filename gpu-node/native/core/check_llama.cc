// See check_llama.h.
#include "core/check_llama.h"

#include <vector>

#include "core/limits.h"
#include "ops/gemm.h"
#include "ops/paged_attention.h"

namespace fairlane {
namespace {

bool CheckParams(const ModelParams& p, std::string* error) {
  const auto fail = [&](const std::string& problem) {
    *error = "this engine cannot run the model: " + problem;
    return false;
  };
  if (p.hidden % kGroup != 0)
    return fail("hidden " + std::to_string(p.hidden) + " is no multiple of 32");
  if (p.ffn % kGroup != 0) return fail("ffn " + std::to_string(p.ffn) + " is no multiple of 32");
  if (p.head_dim % 8 != 0 || p.head_dim > kMaxHeadDim) {
    return fail("head_dim " + std::to_string(p.head_dim) + " is no multiple of 8 up to " +
                std::to_string(kMaxHeadDim));
  }
  if (p.heads % p.kv_heads != 0) {
    return fail("heads " + std::to_string(p.heads) + " is no multiple of kv_heads " +
                std::to_string(p.kv_heads));
  }
  const int64_t attention = int64_t{p.heads} * p.head_dim;
  if (attention % kGroup != 0 || attention > (1 << 20)) {
    return fail("heads * head_dim is " + std::to_string(attention) +
                ", not a multiple of 32 up to 1048576");
  }
  if (p.window_first_layer > 0 && (p.window == 0 || p.window_first_layer >= p.layers))
    return fail("window_first_layer is " + std::to_string(p.window_first_layer) +
                ", but no layer has a window there");
  return true;
}

std::string ShapeText(const int64_t* dims, int32_t count) {
  std::string text = "[";
  for (int32_t i = 0; i < count; ++i) text += (i == 0 ? "" : ", ") + std::to_string(dims[i]);
  return text + "]";
}

// `columns` 0 means a vector of `rows`.
bool CheckTensor(const Manifest& manifest, const std::string& name, int64_t rows, int64_t columns,
                 std::string* error) {
  const TensorInfo* tensor = manifest.Find(name);
  if (tensor == nullptr) {
    *error = "tensor " + name + " is missing";
    return false;
  }
  const int64_t expected[2] = {rows, columns};
  const int32_t count = columns == 0 ? 1 : 2;
  const bool same = tensor->dim_count == count && tensor->dims[0] == rows &&
                    (count == 1 || tensor->dims[1] == columns);
  if (!same) {
    *error = "tensor " + name + " has the shape " +
             ShapeText(tensor->dims.data(), tensor->dim_count) + ", expected " +
             ShapeText(expected, count);
  }
  return same;
}

// What sets the members of the family apart.
struct Family {
  const char* arch;
  bool has_qkv_bias;
  bool has_qk_norm;     // each query and key head is normed before it is turned
  bool may_interleave;  // some files hold q and k for interleaved rotary pairs
};
constexpr Family kFamilies[] = {
    {"llama", false, false, true}, {"qwen2", true, false, false}, {"qwen3", false, true, false}};

const Family* FamilyOf(const std::string& arch) {
  for (const Family& family : kFamilies) {
    if (arch == family.arch) return &family;
  }
  return nullptr;
}

struct LayerTensor {
  const char* name;
  int64_t rows;
  int64_t columns;  // 0: a vector
};

std::vector<LayerTensor> LayerTensors(const ModelParams& p, const Family& family) {
  const int64_t q = int64_t{p.heads} * p.head_dim;
  const int64_t kv = int64_t{p.kv_heads} * p.head_dim;
  std::vector<LayerTensor> parts = {{"attention_norm", p.hidden, 0},
                                    {"q", q, p.hidden},
                                    {"k", kv, p.hidden},
                                    {"v", kv, p.hidden},
                                    {"o", p.hidden, q},
                                    {"ffn_norm", p.hidden, 0},
                                    {"gate", p.ffn, p.hidden},
                                    {"up", p.ffn, p.hidden},
                                    {"down", p.hidden, p.ffn}};
  if (family.has_qkv_bias)
    parts.insert(parts.end(), {{"q_bias", q, 0}, {"k_bias", kv, 0}, {"v_bias", kv, 0}});
  if (family.has_qk_norm)
    parts.insert(parts.end(), {{"q_norm", p.head_dim, 0}, {"k_norm", p.head_dim, 0}});
  return parts;
}

// All expected names are there, so the rest is foreign; ignoring a bias, say, would compute
// something else. Always false.
bool NameForeignTensor(const Manifest& manifest, const std::vector<LayerTensor>& parts,
                       size_t expected, std::string* error) {
  for (const TensorInfo& tensor : manifest.tensors) {
    const size_t dot = tensor.name.rfind('.');
    const std::string last = dot == std::string::npos ? tensor.name : tensor.name.substr(dot + 1);
    bool known = last == "token_embedding" || last == "output_norm" || last == "output" ||
                 last == "rope_divisors";
    for (const LayerTensor& part : parts) known = known || last == part.name;
    if (!known) {
      *error = "tensor " + tensor.name + " is not part of the architecture " + manifest.arch;
      return false;
    }
  }
  *error = "the manifest lists " + std::to_string(manifest.tensors.size()) + " tensors, " +
           std::to_string(manifest.params.layers) + " layers need " + std::to_string(expected);
  return false;
}

}  // namespace

bool CheckLlama(const Manifest& manifest, std::string* error) {
  const ModelParams& p = manifest.params;
  const Family* family = FamilyOf(manifest.arch);
  if (family == nullptr) {
    *error = "the architecture \"" + manifest.arch +
             "\" is not supported (supported: llama, qwen2, qwen3)";
    return false;
  }
  if (!CheckParams(p, error)) return false;
  if (p.qk_interleaved && !family->may_interleave) {
    *error = "param qk_interleaved is 1, but files of " + manifest.arch + " are never interleaved";
    return false;
  }
  const bool untied = manifest.Find("output") != nullptr;
  const bool divided = manifest.Find("rope_divisors") != nullptr;
  bool ok = CheckTensor(manifest, "token_embedding", p.vocab, p.hidden, error) &&
            CheckTensor(manifest, "output_norm", p.hidden, 0, error) &&
            (!untied || CheckTensor(manifest, "output", p.vocab, p.hidden, error)) &&
            (!divided || CheckTensor(manifest, "rope_divisors", p.head_dim / 2, 0, error));
  const std::vector<LayerTensor> parts = LayerTensors(p, *family);
  for (int32_t i = 0; ok && i < p.layers; ++i) {
    const std::string prefix = "layers." + std::to_string(i) + ".";
    for (const LayerTensor& part : parts)
      ok = ok && CheckTensor(manifest, prefix + part.name, part.rows, part.columns, error);
  }
  if (!ok) return false;
  const size_t expected =
      2 + (untied ? 1 : 0) + (divided ? 1 : 0) + static_cast<size_t>(p.layers) * parts.size();
  return manifest.tensors.size() == expected || NameForeignTensor(manifest, parts, expected, error);
}

}  // namespace fairlane
