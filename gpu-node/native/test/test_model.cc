// See test_model.h.
#include "test/test_model.h"

#include <stdlib.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <limits>

#include "core/tensor_rows.h"
#include "ops/half.h"
#include "test/check.h"

namespace fairlane::test {
namespace {

constexpr int32_t kHidden = 64;
constexpr int32_t kLayers = 2;
constexpr int32_t kHeads = 4;
constexpr int32_t kKvHeads = 2;
constexpr int32_t kHeadDim = 16;
constexpr int32_t kFfn = 96;

// A matrix of random floats, or of random blocks of a quantised type.
std::string RandomBytes(const std::string& type, int32_t rows, int32_t columns, Random* random) {
  const float spread = 1.5F / std::sqrt(static_cast<float>(columns));
  std::string bytes;
  const auto append = [&](const void* data, size_t size) {
    bytes.append(static_cast<const char*>(data), size);
  };
  if (type == "f32" || type == "f16" || type == "bf16") {
    for (int64_t i = 0; i < int64_t{rows} * columns; ++i) {
      const float value = spread * random->Float();
      const uint16_t half = type == "f16"
                                ? FloatToHalf(value)
                                : static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16);
      if (type == "f32") append(&value, sizeof(value));
      if (type != "f32") append(&half, sizeof(half));
    }
    return bytes;
  }
  const bool has_min = type == "q4_1" || type == "q5_1";
  const size_t bits = type == "q8_0" ? 32 : type[1] == '5' ? 20 : 16;
  const float steps = type == "q8_0" ? 127.0F : type[1] == '5' ? 15.0F : 7.0F;
  for (int64_t block = 0; block < int64_t{rows} * columns / 32; ++block) {
    const uint16_t d = FloatToHalf(spread / steps);
    const uint16_t m = FloatToHalf(-spread);
    append(&d, sizeof(d));
    if (has_min) append(&m, sizeof(m));
    for (size_t i = 0; i < bits; ++i) bytes.push_back(static_cast<char>(random->Below(256)));
  }
  return bytes;
}

// Rows of each head from half-split order (i, i + half) to pairs side by side.
std::string Interleave(const std::string& matrix, size_t row_bytes) {
  std::string out(matrix.size(), '\0');
  for (size_t row = 0; row < matrix.size() / row_bytes; ++row) {
    const size_t in_head = row % kHeadDim;
    const size_t half = kHeadDim / 2;
    const size_t to = row - in_head + (in_head < half ? 2 * in_head : 2 * (in_head - half) + 1);
    std::memcpy(&out[to * row_bytes], &matrix[row * row_bytes], row_bytes);
  }
  return out;
}

class Writer {
 public:
  explicit Writer(const TestModelOptions& options) : options_(options) {}

  void Matrix(const std::string& name, const std::string& type, int32_t rows, int32_t columns) {
    std::string bytes = RandomBytes(type, rows, columns, &random_);
    const std::string last = name.substr(name.rfind('.') + 1);
    if (options_.is_interleaved && (last == "q" || last == "k"))
      bytes = Interleave(bytes, bytes.size() / static_cast<size_t>(rows));
    if (options_.has_nan && name == "layers.1.up") {
      const float nan = std::numeric_limits<float>::quiet_NaN();
      std::memcpy(&bytes[1000], &nan, sizeof(nan));
    }
    Add(name, type + " 2 " + std::to_string(rows) + " " + std::to_string(columns), bytes);
  }

  void Norm(const std::string& name, int32_t width = kHidden) { Vector(name, width, 1.0F); }

  // Values around `middle`.
  void Vector(const std::string& name, int32_t width, float middle) {
    std::string bytes;
    for (int32_t i = 0; i < width; ++i) {
      const float value = middle + 0.2F * random_.Float();
      bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
    }
    Add(name, "f32 1 " + std::to_string(width), bytes);
  }

  std::string Manifest(const std::string& data_path) const {
    const auto param = [](const char* name, const std::string& value) {
      return "param " + std::string(name) + " " + value + "\n";
    };
    return "fairlane-manifest 1\narch " + options_.arch + "\n" +
           param("hidden", std::to_string(kHidden)) + param("layers", std::to_string(kLayers)) +
           param("heads", std::to_string(kHeads)) + param("kv_heads", std::to_string(kKvHeads)) +
           param("head_dim", std::to_string(kHeadDim)) + param("ffn", std::to_string(kFfn)) +
           param("vocab", std::to_string(TestModel::kVocab)) +
           param("context", std::to_string(TestModel::kContext)) + param("rope_base", "10000") +
           param("rms_eps", "1e-05") +
           (options_.window > 0 ? param("window", std::to_string(options_.window)) : "") +
           (options_.window_first_layer > 0
                ? param("window_first_layer", std::to_string(options_.window_first_layer))
                : "") +
           param("qk_interleaved", options_.is_interleaved ? "1" : "0") + "file 0 " +
           std::to_string(data_.size()) + " " + data_path + "\n" + tensors_ + "end " +
           std::to_string(count_) + "\n";
  }

  const std::string& data() const { return data_; }

 private:
  void Add(const std::string& name, const std::string& shape, const std::string& bytes) {
    data_ += "x";  // an odd offset: nothing may rely on alignment
    tensors_ += "tensor " + name + " " + shape + " 0 " + std::to_string(data_.size()) + " " +
                std::to_string(bytes.size()) + "\n";
    data_ += bytes;
    ++count_;
  }

  TestModelOptions options_;
  Random random_{99};
  std::string data_;
  std::string tensors_;
  int32_t count_ = 0;
};

}  // namespace

TestModel::TestModel(const TestModelOptions& options) {
  char folder[] = "/tmp/fairlane-test-XXXXXX";
  if (mkdtemp(folder) == nullptr) {
    std::perror("mkdtemp");
    std::exit(EXIT_FAILURE);
  }
  folder_ = folder;
  Writer writer(options);
  const std::string& type = options.matrix_type;
  writer.Matrix("token_embedding", type, kVocab, kHidden);
  writer.Norm("output_norm");
  if (!options.is_tied) writer.Matrix("output", type, kVocab, kHidden);
  for (int32_t i = 0; i < kLayers; ++i) {
    const std::string prefix = "layers." + std::to_string(i) + ".";
    writer.Norm(prefix + "attention_norm");
    writer.Matrix(prefix + "q", "f32", kHeads * kHeadDim, kHidden);
    writer.Matrix(prefix + "k", "f32", kKvHeads * kHeadDim, kHidden);
    writer.Matrix(prefix + "v", type, kKvHeads * kHeadDim, kHidden);
    writer.Matrix(prefix + "o", type, kHidden, kHeads * kHeadDim);
    writer.Norm(prefix + "ffn_norm");
    writer.Matrix(prefix + "gate", type, kFfn, kHidden);
    writer.Matrix(prefix + "up", type, kFfn, kHidden);
    writer.Matrix(prefix + "down", type, kHidden, kFfn);
    if (options.arch == "qwen2") {
      writer.Vector(prefix + "q_bias", kHeads * kHeadDim, 0.0F);
      writer.Vector(prefix + "k_bias", kKvHeads * kHeadDim, 0.0F);
      writer.Vector(prefix + "v_bias", kKvHeads * kHeadDim, 0.0F);
    }
    if (options.arch == "qwen3") {
      writer.Norm(prefix + "q_norm", kHeadDim);
      writer.Norm(prefix + "k_norm", kHeadDim);
    }
  }
  const std::string data_path = folder_ + "/weights.bin";
  manifest_ = writer.Manifest(data_path);
  std::ofstream(data_path, std::ios::binary) << writer.data();
  std::ofstream(manifest_path(), std::ios::binary) << manifest_;
}

TestModel::~TestModel() {
  unlink((folder_ + "/weights.bin").c_str());
  unlink(manifest_path().c_str());
  rmdir(folder_.c_str());
}

}  // namespace fairlane::test
