// Sequences with adapters on the engine through its C ABI, for `npm run bench -- lora-tax`: opens a
// model and obeys lines on its standard input, each answered by one line of JSON. The adapters are
// random; every sequence has its own copy in pages of its own, so distinct adapters are distinct
// memory.
//   adapters MODULES RANK[,RANK...]  gives sequence i an adapter of the i-th rank, in turns
//   decode SEQUENCES PROMPT_TOKENS NEW_TOKENS base|one|distinct|half
// MODULES is letters of q k v o g u d. `half`: every second sequence has none.
// Usage: lora_bench MANIFEST PLUGIN_FOLDER ISA THREADS SEQUENCES TOKENS_PER_SEQUENCE ADAPTER_TYPE
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <map>
#include <sstream>
#include <string>

#include "bench/bench_session.h"
#include "core/engine.h"
#include "core/manifest.h"

namespace fairlane::bench {
namespace {

constexpr char kLetters[] = "qkvogud";
constexpr float kSpread = 0.01F;  // of random matrices: enough to compute with, no overflow
// Most of an adapter that a sequence can have, in percent of the model's linear layers: rank 64 on
// all of a small one.
constexpr int32_t kAdapterPagesMax = 96;

class LoraBench {
 public:
  bool Open(char** argv, std::string* error);
  void Obey(const std::string& line);
  int32_t PageBytes() const { return static_cast<int32_t>(info_.page_bytes); }
  ~LoraBench() { fairlane_engine_close(engine_); }

 private:
  bool SetAdapters(const std::string& modules, const std::string& ranks);
  bool Pack(const std::string& modules, int32_t rank, PackedAdapter* packed);
  bool Place(int32_t slot, const PackedAdapter& packed);
  bool Decode(std::istringstream* words);

  Engine* engine_ = nullptr;
  EngineInfo info_ = {};
  SessionShape shape_ = {};
  std::unique_ptr<Session> session_;
  int32_t sequences_ = 0;
  std::string reason_;
};

bool LoraBench::Open(char** argv, std::string* error) {
  sequences_ = std::atoi(argv[5]);
  shape_ = ShapeFor(sequences_, std::atoi(argv[6]), 1);
  EngineOptions options = {};
  options.manifest_path = argv[1];
  options.plugin_folder = argv[2];
  options.isa = argv[3];
  options.numerics = "int8";
  options.attention = "auto";
  options.kv_type = "f16";
  options.adapter_type = argv[7];
  options.adapter_slots = sequences_;
  options.page_count = shape_.page_count + sequences_ * kAdapterPagesMax;
  options.slot_count = sequences_;
  options.thread_count = std::atoi(argv[4]);
  options.capacity = shape_.capacity;
  char message[512] = "";
  engine_ = fairlane_engine_open(&options, message, sizeof(message));
  if (engine_ == nullptr) {
    *error = message;
    return false;
  }
  info_ = fairlane_engine_info(engine_);
  shape_.vocab = info_.vocab_size;
  session_ = std::make_unique<Session>(shape_, [this](const uint8_t* plan, uint8_t* result) {
    return fairlane_engine_submit(engine_, plan) == kEngineOk &&
           fairlane_engine_wait(engine_, -1, result) == kEngineOk;
  });
  std::printf("{\"numerics_class\": \"%s\", \"adapter_layout\": \"%s\", \"threads\": %d}\n",
              info_.numerics_class, info_.adapter_layout, info_.thread_count);
  return true;
}

bool LoraBench::Pack(const std::string& modules, int32_t rank, PackedAdapter* packed) {
  const AdapterGeometry& geometry = *fairlane_engine_adapter_geometry(engine_);
  char path[] = "/tmp/fairlane-lora-bench-XXXXXX";
  const int descriptor = mkstemp(path);
  if (descriptor < 0) return false;
  AdapterSpec spec;
  spec.paths.emplace_back(path);
  std::vector<float> values;
  uint32_t state = 1;
  const auto tensor = [&](int64_t rows, int64_t columns) {
    const AdapterTensor made = {0, static_cast<int64_t>(values.size() * sizeof(float)),
                                TensorType::kF32, rows, columns};
    for (int64_t i = 0; i < rows * columns; ++i) {
      state = state * 1664525U + 1013904223U;
      values.push_back(kSpread * (static_cast<float>(state >> 8) / 8388608.0F - 1.0F));
    }
    return made;
  };
  for (int32_t layer = 0; layer < geometry.params.layers; ++layer) {
    for (const char letter : modules) {
      const auto module = static_cast<LoraModule>(std::strchr(kLetters, letter) - kLetters);
      const AdapterTensor a = tensor(rank, InputWidth(geometry.params, module));
      const AdapterTensor b = tensor(OutputWidth(geometry.params, module), rank);
      spec.modules.push_back({layer, module, rank, 1.0F, a, b});
    }
  }
  const size_t bytes = values.size() * sizeof(float);
  PackError error;
  const bool ok = write(descriptor, values.data(), bytes) == static_cast<ssize_t>(bytes) &&
                  PackAdapter(geometry, spec, packed, &error);
  if (!ok) reason_ = error.message;
  close(descriptor);
  unlink(path);
  return ok;
}

bool LoraBench::Place(int32_t slot, const PackedAdapter& packed) {
  if (packed.page_count > kAdapterPagesMax) {
    reason_ = "the adapter is too large for this bench";
    return false;
  }
  std::vector<int32_t> pages;
  for (int32_t i = 0; i < packed.page_count; ++i)
    pages.push_back(shape_.page_count + slot * kAdapterPagesMax + i);
  char message[256] = "";
  const AdapterPlaces places = {packed.table.data(), static_cast<int32_t>(packed.table.size()),
                                pages.data(), packed.page_count};
  const bool ok =
      fairlane_engine_clear_adapter(engine_, slot) == kEngineOk &&
      fairlane_engine_write_pages(engine_, pages.data(), packed.page_count, packed.images.get()) ==
          kEngineOk &&
      fairlane_engine_set_adapter(engine_, slot, &places, message, sizeof(message)) == kEngineOk;
  if (!ok) reason_ = message;
  return ok;
}

bool LoraBench::SetAdapters(const std::string& modules, const std::string& ranks) {
  if (modules.find_first_not_of(kLetters) != std::string::npos) return false;
  std::vector<PackedAdapter> packed;
  std::istringstream list(ranks);
  for (std::string rank; std::getline(list, rank, ',');) {
    packed.emplace_back();
    if (!Pack(modules, std::atoi(rank.c_str()), &packed.back())) return false;
  }
  if (packed.empty()) return false;
  for (int32_t slot = 0; slot < sequences_; ++slot)
    if (!Place(slot, packed[static_cast<size_t>(slot) % packed.size()])) return false;
  const size_t bytes = packed.front().image_bytes;
  std::printf("{\"seconds\": 1, \"cpu_seconds\": 0, \"tokens\": %zu}\n", bytes);
  return true;
}

bool LoraBench::Decode(std::istringstream* words) {
  int32_t sequences = 0;
  int32_t prompt = 0;
  int32_t tokens = 0;
  std::string pattern;
  if (!(*words >> sequences >> prompt >> tokens >> pattern) || sequences < 1 ||
      sequences > sequences_ || tokens < 1) {
    return false;
  }
  std::vector<int32_t> adapters(static_cast<size_t>(sequences), kNone);
  for (int32_t i = 0; i < sequences && pattern != "base"; ++i) {
    if (pattern == "half" && i % 2 == 1) continue;
    adapters[static_cast<size_t>(i)] = pattern == "one" ? 0 : i;
  }
  session_->UseAdapters(std::move(adapters));
  const Timing timing = session_->Decode(sequences, prompt, tokens);
  if (!timing.ok) return false;
  std::printf("{\"seconds\": %.9f, \"cpu_seconds\": %.6f, \"tokens\": %lld}\n", timing.seconds,
              timing.cpu_seconds, static_cast<long long>(timing.tokens));
  return true;
}

void LoraBench::Obey(const std::string& line) {
  std::istringstream words(line);
  std::string command;
  std::string modules;
  std::string ranks;
  words >> command;
  reason_ = "not a command, or a step failed";
  const bool ok = command == "adapters" && words >> modules >> ranks
                      ? SetAdapters(modules, ranks)
                      : command == "decode" && Decode(&words);
  if (!ok) std::printf("{\"error\": \"%s\"}\n", reason_.c_str());
  std::fflush(stdout);
}

int Main(char** argv) {
  LoraBench bench;
  std::string error;
  if (!bench.Open(argv, &error)) {
    std::fprintf(stderr, "lora_bench: %s\n", error.c_str());
    return 1;
  }
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) bench.Obey(line);
  return 0;
}

}  // namespace
}  // namespace fairlane::bench

int main(int argc, char** argv) {
  if (argc == 8) return fairlane::bench::Main(argv);
  std::fprintf(stderr,
               "usage: lora_bench MANIFEST PLUGIN_FOLDER ISA THREADS SEQUENCES TOKENS_PER_SEQUENCE "
               "ADAPTER_TYPE\n");
  return 2;
}
