// Owns a small random Llama for native tests: writes its weights and manifest into a fresh
// temporary folder, which goes with the object. Sizes are fixed; the types of the matrices can be
// chosen.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fairlane::test {

struct TestModelOptions {
  std::string arch = "llama";       // llama, qwen2 or qwen3
  std::string matrix_type = "f32";  // any type the engine reads, but q and k stay f32
  bool is_interleaved = false;  // writes q and k rows as rotary pairs; the model computes the same
  bool is_tied = true;
  int32_t window = 0;  // 0: none
  int32_t window_first_layer = 0;
  bool has_nan = false;  // one value of layers.1.up is NaN
};

class TestModel {
 public:
  static constexpr int32_t kVocab = 97;
  static constexpr int32_t kContext = 128;

  explicit TestModel(const TestModelOptions& options = {});
  ~TestModel();
  TestModel(const TestModel&) = delete;
  TestModel& operator=(const TestModel&) = delete;

  const std::string& folder() const { return folder_; }
  std::string manifest_path() const { return folder_ + "/model.manifest"; }
  const std::string& manifest_text() const { return manifest_; }

 private:
  std::string folder_;
  std::string manifest_;
};

}  // namespace fairlane::test
