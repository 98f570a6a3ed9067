// The manifest parser: a good text, each way to break a line with the error it gives, and thousands
// of random mutations that must end in a manifest or an error, never in a crash.
#include "core/manifest.h"

#include <cstring>

#include "core/check_llama.h"
#include "test/check.h"
#include "test/test_model.h"

namespace fairlane::test {
namespace {

std::string Good() {
  return "fairlane-manifest 1\narch llama\nparam hidden 64\nparam layers 1\nparam heads 2\nparam "
         "kv_heads 1\n"
         "param head_dim 32\nparam ffn 96\nparam vocab 50\nparam context 128\nparam rope_base "
         "10000\n"
         "param rms_eps 1e-05\nparam qk_interleaved 1\nfile 0 100000 /models/a model.gguf\n"
         "tensor token_embedding q8_0 2 50 64 0 0 3400\ntensor output_norm f32 1 64 0 3400 "
         "256\nend 2\n";
}

std::string Replaced(const std::string& from, const std::string& to) {
  std::string text = Good();
  const size_t at = text.find(from);
  CHECK(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

void Refuses(const std::string& text, const std::string& expected) {
  Manifest manifest;
  std::string error;
  CHECK(!ParseManifest(text, &manifest, &error));
  if (error != expected)
    Fail(__FILE__, __LINE__, "error is \"" + error + "\", expected \"" + expected + "\"");
}

void GoodTest() {
  Manifest manifest;
  std::string error;
  CHECK(ParseManifest(Good(), &manifest, &error));
  CHECK(error.empty());
  CHECK(manifest.arch == "llama" && manifest.files[0].path == "/models/a model.gguf");
  CHECK_EQ(manifest.params.hidden, 64);
  CHECK_EQ(manifest.params.rms_eps, 1e-05);
  CHECK(manifest.params.qk_interleaved);
  const TensorInfo* tensor = manifest.Find("token_embedding");
  CHECK(tensor != nullptr && tensor->type == TensorType::kQ8_0 && tensor->dims[0] == 50 &&
        tensor->bytes == 3400);
  CHECK(manifest.Find("output") == nullptr);
}

void BadLinesTest() {
  Refuses("", "manifest line 0: header is missing: the file is empty");
  Refuses("fairlane-manifest 2\n", "manifest line 1: header must be \"fairlane-manifest 1\"");
  Refuses(Replaced("arch llama\n", ""), "manifest line 2: record must be \"arch\" first");
  Refuses(Replaced("arch llama\n", "arch llama\narch llama\n"),
          "manifest line 3: arch is given twice");
  Refuses(Replaced("hidden 64", "hidden 64x"),
          "manifest line 3: param hidden is not a decimal integer: \"64x\"");
  Refuses(Replaced("hidden 64", "hidden 0"),
          "manifest line 3: param hidden is 0, outside 1 .. 1048576");
  Refuses(Replaced("hidden 64", "hidden 99999999999999999999"),
          "manifest line 3: param hidden is not a decimal integer: \"99999999999999999999\"");
  Refuses(Replaced("hidden 64", "hidden  64"), "manifest line 3: param value is missing");
  Refuses(Replaced("hidden 64", "hidden 64 1"),
          "manifest line 3: record has more fields than it should");
  Refuses(Replaced("param hidden", "param width"),
          "manifest line 3: param name is not known: \"width\"");
  Refuses(Replaced("param layers 1", "param hidden 64"),
          "manifest line 4: param hidden is given twice");
  Refuses(Replaced("param layers 1\n", ""), "manifest line 16: param layers is missing");
  Refuses(Replaced("1e-05", "nan"),
          "manifest line 12: param rms_eps is not a positive decimal number: \"nan\"");
  Refuses(Replaced("10000\n", "-1\n"),
          "manifest line 11: param rope_base is not a positive decimal number: \"-1\"");
  Refuses(Replaced("param rms_eps", "param rope_low_frequency 1\nparam rms_eps"),
          "manifest line 18: param rope_low_frequency needs a larger rope_high_frequency and "
          "rope_original_context beside it");
  Refuses(Replaced("param rms_eps", "param window 0\nparam rms_eps"),
          "manifest line 12: param window is 0, outside 1 .. 16777216");
  Refuses(Replaced("param rms_eps", "param rope_factor 0\nparam rms_eps"),
          "manifest line 12: param rope_factor is not a positive decimal number: \"0\"");
  Refuses(Replaced("qk_interleaved 1", "qk_interleaved 2"),
          "manifest line 13: param qk_interleaved is 2, outside 0 .. 1");
  Refuses(Replaced("file 0", "file 1"), "manifest line 14: file index is out of order");
  Refuses(Replaced(" /models/a model.gguf", ""), "manifest line 14: file path is missing");
  Refuses(Replaced("100000 /", "0 /"),
          "manifest line 14: file bytes is 0, outside 1 .. 4611686018427387903");
  Refuses(Replaced("q8_0", "q3_k"), "manifest line 15: tensor type is not known: \"q3_k\"");
  Refuses(Replaced("2 50 64", "5 50 64"), "manifest line 15: tensor n_dims is 5, outside 1 .. 4");
  Refuses(Replaced("2 50 64 0 0 3400", "2 50 60 0 0 3400"),
          "manifest line 15: tensor dim 60 of token_embedding is no multiple of the 32 values of a "
          "q8_0 block");
  Refuses(Replaced("2 50 64 0 0 3400", "2 50 64 1 0 3400"),
          "manifest line 15: tensor file 1 of token_embedding is not listed");
  Refuses(Replaced("2 50 64 0 0 3400", "2 50 64 0 100001 3400"),
          "manifest line 15: tensor offset is 100001, outside 0 .. 100000");
  Refuses(Replaced("2 50 64 0 0 3400", "2 50 64 0 96601 3400"),
          "manifest line 15: tensor bytes of token_embedding run past the end of file 0");
  Refuses(
      Replaced("2 50 64 0 0 3400", "2 50 64 0 0 3401"),
      "manifest line 15: tensor bytes of token_embedding is 3401, but its type and dims need 3400");
  Refuses(Replaced("2 50 64 0 0 3400", "4 4194304 4194304 4194304 64 0 0 3400"),
          "manifest line 15: tensor dim product of token_embedding is too large");
  Refuses(Replaced("output_norm f32", "token_embedding f32"),
          "manifest line 16: tensor name token_embedding is given twice");
  Refuses(Replaced("output_norm f32 1 64 0 3400 256", "output_norm f32 1 64 0 3400"),
          "manifest line 16: tensor bytes is missing");
  Refuses(Replaced("end 2", "end 3"),
          "manifest line 17: end count is 3, but the file lists 2 tensors");
  Refuses(Replaced("end 2\n", ""), "manifest line 16: end is missing: the file is truncated");
  Refuses(Good() + "x\n", "manifest line 18: record after end");
  Refuses(Replaced("end 2", "arch llama"), "manifest line 17: record \"arch\" comes too late");
  Refuses(Replaced("end 2", "bogus 1"), "manifest line 17: record is of no known kind: \"bogus\"");
  Refuses(Replaced("end 2", "tensor " + std::string(200, 'n') + " f32 1 1 0 0 4"),
          "manifest line 17: tensor name is too long");
}

void MutationTest() {
  Random random(2024);
  int32_t accepted = 0;
  for (int32_t round = 0; round < 20000; ++round) {
    std::string text = Good();
    const int32_t edits = 1 + random.Below(3);
    for (int32_t i = 0; i < edits && !text.empty(); ++i) {
      const auto at = static_cast<size_t>(random.Below(static_cast<int32_t>(text.size())));
      switch (random.Below(4)) {
        case 0:
          text[at] = static_cast<char>(random.Below(256));
          break;
        case 1:
          text.erase(at, static_cast<size_t>(random.Below(40)));
          break;
        case 2:
          text.insert(at, std::to_string(random.Bits()));
          break;
        default:
          text.resize(at);
      }
    }
    Manifest manifest;
    std::string error;
    const bool parsed = ParseManifest(text, &manifest, &error);
    CHECK(parsed == error.empty());
    accepted += parsed ? 1 : 0;
  }
  CHECK(accepted < 20000);
}

void RefusesModel(const TestModel& model, const std::string& from, const std::string& to,
                  const std::string& expected) {
  std::string text = model.manifest_text();
  const size_t at = text.find(from);
  CHECK(at != std::string::npos);
  text.replace(at, from.size(), to);
  Manifest manifest;
  std::string error;
  if (!ParseManifest(text, &manifest, &error)) Fail(__FILE__, __LINE__, error);
  CHECK(!CheckLlama(manifest, &error));
  if (error != expected)
    Fail(__FILE__, __LINE__, "error is \"" + error + "\", expected \"" + expected + "\"");
}

// The tensors and sizes that the architecture needs.
void ArchitectureTest() {
  const TestModel model;
  Manifest manifest;
  std::string error;
  CHECK(ParseManifest(model.manifest_text(), &manifest, &error));
  CHECK(CheckLlama(manifest, &error));
  RefusesModel(model, "arch llama", "arch gpt2",
               "the architecture \"gpt2\" is not supported (supported: llama, qwen2, qwen3)");
  RefusesModel(model, "param hidden 64", "param hidden 65",
               "this engine cannot run the model: hidden 65 is no multiple of 32");
  RefusesModel(model, "param kv_heads 2", "param kv_heads 3",
               "this engine cannot run the model: heads 4 is no multiple of kv_heads 3");
  RefusesModel(model, "param head_dim 16", "param head_dim 12",
               "this engine cannot run the model: head_dim 12 is no multiple of 8 up to 256");
  RefusesModel(model, "param vocab 97", "param vocab 98",
               "tensor token_embedding has the shape [97, 64], expected [98, 64]");
  RefusesModel(model, "layers.1.k ", "layers.1.k_bias ", "tensor layers.1.k is missing");
  RefusesModel(model, "param layers 2", "param layers 3",
               "tensor layers.2.attention_norm is missing");
  RefusesModel(model, "param layers 2", "param layers 1",
               "the manifest lists 20 tensors, 1 layers need 11");
  const TestModel qwen2({.arch = "qwen2"});
  const TestModel qwen3({.arch = "qwen3"});
  for (const TestModel* other : {&qwen2, &qwen3}) {
    CHECK(ParseManifest(other->manifest_text(), &manifest, &error));
    if (!CheckLlama(manifest, &error)) Fail(__FILE__, __LINE__, error);
  }
  RefusesModel(qwen2, "arch qwen2", "arch llama",
               "tensor layers.0.q_bias is not part of the architecture llama");
  RefusesModel(qwen2, "layers.1.v_bias ", "layers.1.w_bias ", "tensor layers.1.v_bias is missing");
  RefusesModel(qwen3, "layers.0.k_norm f32 1 16", "layers.0.k_nope f32 1 16",
               "tensor layers.0.k_norm is missing");
  RefusesModel(qwen3, "qk_interleaved 0", "qk_interleaved 1",
               "param qk_interleaved is 1, but files of qwen3 are never interleaved");
}

}  // namespace
}  // namespace fairlane::test

int main() {
  fairlane::test::GoodTest();
  fairlane::test::BadLinesTest();
  fairlane::test::MutationTest();
  fairlane::test::ArchitectureTest();
  return fairlane::test::Report("manifest_test");
}
