// See manifest.h. Records come in a fixed order of kinds; within a kind the order is free.
#include "core/manifest.h"

#include <charconv>
#include <cmath>
#include <fstream>
#include <limits>

#include "core/limits.h"

namespace fairlane {
namespace {

constexpr std::string_view kHeader = "fairlane-manifest 1";
constexpr TensorTypeInfo kTypes[] = {{"f32", 1, 4},      {"f16", 1, 2},     {"bf16", 1, 2},
                                     {"q4_0", 32, 18},   {"q4_1", 32, 20},  {"q5_0", 32, 22},
                                     {"q5_1", 32, 24},   {"q8_0", 32, 34},  {"q4_k", 256, 144},
                                     {"q5_k", 256, 176}, {"q6_k", 256, 210}};

// The rank of a record's kind; kinds never go back.
enum Stage : int32_t { kAtArch, kAtParams, kAtFiles, kAtTensors, kAtEnd };

class Parser {
 public:
  Parser(std::string_view text, Manifest* manifest, std::string* error)
      : text_(text), manifest_(manifest), error_(error) {}

  bool Run() {
    if (static_cast<int64_t>(text_.size()) > kMaxManifestBytes) {
      return Fail("file", "is larger than " + std::to_string(kMaxManifestBytes) + " bytes");
    }
    if (!NextLine()) return Fail("header", "is missing: the file is empty");
    if (rest_ != kHeader) return Fail("header", "must be \"" + std::string(kHeader) + "\"");
    while (stage_ != kAtEnd) {
      if (!NextLine()) return Fail("end", "is missing: the file is truncated");
      if (!Record()) return false;
    }
    if (NextLine()) return Fail("record", "after end");
    return CheckParams();
  }

 private:
  bool Fail(const std::string& field, const std::string& problem) {
    *error_ = "manifest line " + std::to_string(line_) + ": " + field + " " + problem;
    return false;
  }

  bool NextLine() {
    if (at_ >= text_.size()) return false;
    const size_t end = text_.find('\n', at_);
    ++line_;
    rest_ = text_.substr(at_, end == std::string_view::npos ? std::string_view::npos : end - at_);
    at_ = end == std::string_view::npos ? text_.size() : end + 1;
    return true;
  }

  // Takes the next field of the line; fields are separated by exactly one space.
  bool Field(const char* name, std::string_view* value) {
    const size_t end = rest_.find(' ');
    *value = rest_.substr(0, end);
    rest_ = end == std::string_view::npos ? std::string_view() : rest_.substr(end + 1);
    if (value->empty()) return Fail(name, "is missing");
    if (static_cast<int32_t>(value->size()) > kMaxNameBytes) return Fail(name, "is too long");
    return true;
  }

  bool Integer(const char* name, int64_t low, int64_t high, int64_t* value) {
    std::string_view field;
    if (!Field(name, &field)) return false;
    return ParseInteger(name, field, low, high, value);
  }

  bool ParseInteger(const char* name, std::string_view field, int64_t low, int64_t high,
                    int64_t* value) {
    const auto [end, code] = std::from_chars(field.data(), field.data() + field.size(), *value);
    if (code != std::errc() || end != field.data() + field.size()) {
      return Fail(name, "is not a decimal integer: \"" + std::string(field) + "\"");
    }
    if (*value < low || *value > high) {
      return Fail(name, "is " + std::string(field) + ", outside " + std::to_string(low) + " .. " +
                            std::to_string(high));
    }
    return true;
  }

  bool EndOfLine() { return rest_.empty() || Fail("record", "has more fields than it should"); }

  bool EnterStage(Stage stage, std::string_view kind) {
    if (stage < stage_) return Fail("record", "\"" + std::string(kind) + "\" comes too late");
    stage_ = stage;
    return true;
  }

  bool Record() {
    std::string_view kind;
    if (!Field("record", &kind)) return false;
    if (kind == "arch") return EnterStage(kAtArch, kind) && Arch();
    if (manifest_->arch.empty()) return Fail("record", "must be \"arch\" first");
    if (kind == "param") return EnterStage(kAtParams, kind) && Param();
    if (kind == "file") return EnterStage(kAtFiles, kind) && File();
    if (kind == "tensor") return EnterStage(kAtTensors, kind) && Tensor();
    if (kind == "end") return EnterStage(kAtEnd, kind) && End();
    return Fail("record", "is of no known kind: \"" + std::string(kind) + "\"");
  }

  bool Arch() {
    std::string_view arch;
    if (!Field("arch", &arch)) return false;
    if (!manifest_->arch.empty()) return Fail("arch", "is given twice");
    manifest_->arch = arch;
    return EndOfLine();
  }

  bool IntegerParam(const char* name, std::string_view value, int64_t high, int32_t* out) {
    int64_t parsed = 0;
    if (!ParseInteger(name, value, 1, high, &parsed)) return false;
    *out = static_cast<int32_t>(parsed);
    return true;
  }

  bool NumberParam(const char* name, std::string_view value, double* out) {
    const auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), *out);
    if (code != std::errc() || end != value.data() + value.size() || !std::isfinite(*out) ||
        *out <= 0) {
      return Fail(name, "is not a positive decimal number: \"" + std::string(value) + "\"");
    }
    return true;
  }

  bool Param() {
    std::string_view name;
    std::string_view value;
    if (!Field("param name", &name) || !Field("param value", &value) || !EndOfLine()) return false;
    for (const std::string& seen : seen_params_) {
      if (seen == name) return Fail("param " + seen, "is given twice");
    }
    seen_params_.emplace_back(name);
    ModelParams& params = manifest_->params;
    if (name == "hidden") return IntegerParam("param hidden", value, kMaxWidth, &params.hidden);
    if (name == "layers") return IntegerParam("param layers", value, kMaxLayers, &params.layers);
    if (name == "heads") return IntegerParam("param heads", value, kMaxWidth, &params.heads);
    if (name == "kv_heads")
      return IntegerParam("param kv_heads", value, kMaxWidth, &params.kv_heads);
    if (name == "head_dim")
      return IntegerParam("param head_dim", value, kMaxWidth, &params.head_dim);
    if (name == "ffn") return IntegerParam("param ffn", value, kMaxWidth, &params.ffn);
    if (name == "vocab") return IntegerParam("param vocab", value, kMaxVocab, &params.vocab);
    if (name == "context")
      return IntegerParam("param context", value, kMaxContextTokens, &params.context);
    if (name == "rope_base") return NumberParam("param rope_base", value, &params.rope_base);
    if (name == "rope_factor") return NumberParam("param rope_factor", value, &params.rope_factor);
    if (name == "rope_low_frequency")
      return NumberParam("param rope_low_frequency", value, &params.rope_low_frequency);
    if (name == "rope_high_frequency")
      return NumberParam("param rope_high_frequency", value, &params.rope_high_frequency);
    if (name == "rope_original_context") {
      return IntegerParam("param rope_original_context", value, kMaxContextTokens,
                          &params.rope_original_context);
    }
    if (name == "window")
      return IntegerParam("param window", value, kMaxContextTokens, &params.window);
    if (name == "window_first_layer") {
      return IntegerParam("param window_first_layer", value, kMaxLayers,
                          &params.window_first_layer);
    }
    if (name == "rms_eps") return NumberParam("param rms_eps", value, &params.rms_eps);
    if (name == "qk_interleaved") {
      int64_t flag = 0;
      if (!ParseInteger("param qk_interleaved", value, 0, 1, &flag)) return false;
      params.qk_interleaved = flag == 1;
      return true;
    }
    return Fail("param name", "is not known: \"" + std::string(name) + "\"");
  }

  bool File() {
    int64_t index = 0;
    ModelFileInfo file;
    if (!Integer("file index", 0, kMaxModelFiles - 1, &index)) return false;
    if (index != static_cast<int64_t>(manifest_->files.size()))
      return Fail("file index", "is out of order");
    if (!Integer("file bytes", 1, std::numeric_limits<int64_t>::max() / 2, &file.bytes))
      return false;
    if (rest_.empty()) return Fail("file path", "is missing");
    if (static_cast<int32_t>(rest_.size()) > kMaxPathBytes) return Fail("file path", "is too long");
    if (rest_.find('\0') != std::string_view::npos) return Fail("file path", "holds a NUL");
    file.path = rest_;
    manifest_->files.push_back(std::move(file));
    return true;
  }

  bool Type(TensorType* type) {
    std::string_view name;
    if (!Field("tensor type", &name)) return false;
    for (size_t i = 0; i < std::size(kTypes); ++i) {
      if (name == kTypes[i].name) {
        *type = static_cast<TensorType>(i);
        return true;
      }
    }
    return Fail("tensor type", "is not known: \"" + std::string(name) + "\"");
  }

  bool Dims(TensorInfo* tensor) {
    int64_t count = 0;
    if (!Integer("tensor n_dims", 1, 4, &count)) return false;
    tensor->dim_count = static_cast<int32_t>(count);
    for (int32_t i = 0; i < tensor->dim_count; ++i) {
      if (!Integer("tensor dim", 1, kMaxVocab, &tensor->dims[static_cast<size_t>(i)])) return false;
    }
    return true;
  }

  // The bytes that type and dims need. Dims are below 2^23, so only a product of many can pass
  // 2^63.
  bool NeededBytes(const TensorInfo& tensor, int64_t* bytes) {
    const TensorTypeInfo& type = InfoOf(tensor.type);
    const int64_t inner = tensor.dims[static_cast<size_t>(tensor.dim_count - 1)];
    if (inner % type.block_values != 0) {
      return Fail("tensor dim", std::to_string(inner) + " of " + tensor.name +
                                    " is no multiple of the " + std::to_string(type.block_values) +
                                    " values of a " + type.name + " block");
    }
    __int128 total = static_cast<__int128>(inner / type.block_values) * type.block_bytes;
    for (int32_t i = 0; i + 1 < tensor.dim_count; ++i) total *= tensor.dims[static_cast<size_t>(i)];
    if (total > std::numeric_limits<int64_t>::max() / 4)
      return Fail("tensor dim", "product of " + tensor.name + " is too large");
    *bytes = static_cast<int64_t>(total);
    return true;
  }

  bool Tensor() {
    TensorInfo tensor;
    std::string_view name;
    int64_t file = 0;
    int64_t needed = 0;
    if (static_cast<int32_t>(manifest_->tensors.size()) >= kMaxTensors)
      return Fail("tensor", "count is too large");
    if (!Field("tensor name", &name)) return false;
    tensor.name = name;
    if (!Type(&tensor.type) || !Dims(&tensor)) return false;
    if (!Integer("tensor file", 0, kMaxModelFiles - 1, &file)) return false;
    if (file >= static_cast<int64_t>(manifest_->files.size())) {
      return Fail("tensor file", std::to_string(file) + " of " + tensor.name + " is not listed");
    }
    tensor.file = static_cast<int32_t>(file);
    const int64_t file_bytes = manifest_->files[static_cast<size_t>(file)].bytes;
    if (!Integer("tensor offset", 0, file_bytes, &tensor.offset)) return false;
    if (!Integer("tensor bytes", 0, std::numeric_limits<int64_t>::max() / 2, &tensor.bytes) ||
        !EndOfLine())
      return false;
    if (!NeededBytes(tensor, &needed)) return false;
    if (tensor.bytes != needed) {
      return Fail("tensor bytes", "of " + tensor.name + " is " + std::to_string(tensor.bytes) +
                                      ", but its type and dims need " + std::to_string(needed));
    }
    if (tensor.bytes > file_bytes - tensor.offset) {
      return Fail("tensor bytes",
                  "of " + tensor.name + " run past the end of file " + std::to_string(file));
    }
    const auto index = static_cast<int32_t>(manifest_->tensors.size());
    if (!manifest_->tensor_index.emplace(tensor.name, index).second) {
      return Fail("tensor name", tensor.name + " is given twice");
    }
    manifest_->tensors.push_back(std::move(tensor));
    return true;
  }

  bool End() {
    int64_t count = 0;
    if (!Integer("end count", 0, kMaxTensors, &count) || !EndOfLine()) return false;
    if (count != static_cast<int64_t>(manifest_->tensors.size())) {
      return Fail("end count", "is " + std::to_string(count) + ", but the file lists " +
                                   std::to_string(manifest_->tensors.size()) + " tensors");
    }
    return true;
  }

  bool CheckParams() {
    for (const char* name : {"hidden", "layers", "heads", "kv_heads", "head_dim", "ffn", "vocab",
                             "context", "rope_base", "rms_eps", "qk_interleaved"}) {
      bool found = false;
      for (const std::string& seen : seen_params_) found = found || seen == name;
      if (!found) return Fail("param " + std::string(name), "is missing");
    }
    const ModelParams& p = manifest_->params;
    const bool has_all = p.rope_low_frequency > 0 && p.rope_high_frequency > p.rope_low_frequency &&
                         p.rope_original_context > 0;
    const bool has_none =
        p.rope_low_frequency == 0 && p.rope_high_frequency == 0 && p.rope_original_context == 0;
    if (has_all || has_none) return true;
    return Fail("param rope_low_frequency",
                "needs a larger rope_high_frequency and rope_original_context beside it");
  }

  std::string_view text_;
  Manifest* manifest_;
  std::string* error_;
  size_t at_ = 0;
  int32_t line_ = 0;
  std::string_view rest_;
  Stage stage_ = kAtArch;
  std::vector<std::string> seen_params_;
};

}  // namespace

const TensorTypeInfo& InfoOf(TensorType type) { return kTypes[static_cast<size_t>(type)]; }

const TensorInfo* Manifest::Find(const std::string& name) const {
  const auto found = tensor_index.find(name);
  return found == tensor_index.end() ? nullptr : &tensors[static_cast<size_t>(found->second)];
}

bool ParseManifest(std::string_view text, Manifest* manifest, std::string* error) {
  *manifest = Manifest();
  return Parser(text, manifest, error).Run();
}

bool ReadManifest(const std::string& path, Manifest* manifest, std::string* error) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    *error = "cannot read the manifest " + path;
    return false;
  }
  // One byte more than allowed, so that a longer file is noticed without reading all of it.
  std::string text(static_cast<size_t>(kMaxManifestBytes) + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  return ParseManifest(text, manifest, error);
}

}  // namespace fairlane
