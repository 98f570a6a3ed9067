// The engine through its C ABI, for `npm run bench`: opens a model and then obeys lines on its
// standard input, each answered by one line of JSON. The peer's script speaks the same lines.
//   prefill TOKENS | decode SEQUENCES PROMPT_TOKENS NEW_TOKENS
//   shared SEQUENCES PREFIX_TOKENS NEW_TOKENS: decode from pages that all sequences begin with
// Usage: engine_bench MANIFEST PLUGIN_FOLDER ISA THREADS SEQUENCES TOKENS_PER_SEQUENCE KV_TYPE
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>

#include "bench/bench_session.h"
#include "core/engine.h"

namespace fairlane::bench {
namespace {

void Answer(const Timing& timing) {
  if (timing.ok) {
    std::printf("{\"seconds\": %.9f, \"cpu_seconds\": %.6f, \"tokens\": %lld}\n", timing.seconds,
                timing.cpu_seconds, static_cast<long long>(timing.tokens));
  } else {
    std::printf("{\"error\": \"a step failed\"}\n");
  }
  std::fflush(stdout);
}

int64_t ResidentBytes() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

bool Obey(const std::string& line, Session* session) {
  std::istringstream words(line);
  std::string command;
  int32_t a = 0;
  int32_t b = 0;
  int32_t c = 0;
  words >> command >> a;
  if (command == "prefill" && a > 0) {
    Answer(session->Prefill(a));
    return true;
  }
  const bool fits = words >> b >> c && a > 0 && a <= kSequencesMax && b > 0 && c > 0;
  if (fits && command == "decode") {
    Answer(session->Decode(a, b, c));
  } else if (fits && command == "shared") {
    Answer(session->DecodeShared(a, b, c));
  } else {
    return false;
  }
  return true;
}

int Main(char** argv) {
  const int32_t sequences = std::atoi(argv[5]);
  const int32_t tokens = std::atoi(argv[6]);
  SessionShape shape = ShapeFor(sequences, tokens, 1);
  EngineOptions options = {};
  options.manifest_path = argv[1];
  options.plugin_folder = argv[2];
  options.isa = argv[3];
  options.numerics = "int8";
  options.attention = "auto";
  options.kv_type = argv[7];
  options.adapter_type = "f16";
  options.page_count = shape.page_count;
  options.slot_count = sequences;
  options.thread_count = std::atoi(argv[4]);
  options.capacity = shape.capacity;
  char error[512] = "";
  const auto start = std::chrono::steady_clock::now();
  Engine* engine = fairlane_engine_open(&options, error, sizeof(error));
  if (engine == nullptr) {
    std::fprintf(stderr, "engine_bench: %s\n", error);
    return 1;
  }
  const double open_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const EngineInfo info = fairlane_engine_info(engine);
  shape.vocab = info.vocab_size;
  Session session(shape, [engine](const uint8_t* plan, uint8_t* result) {
    return fairlane_engine_submit(engine, plan) == kEngineOk &&
           fairlane_engine_wait(engine, -1, result) == kEngineOk;
  });
  std::printf(
      "{\"numerics_class\": \"%s\", \"threads\": %d, \"open_seconds\": %.6f, "
      "\"resident_bytes\": %lld}\n",
      info.numerics_class, info.thread_count, open_seconds,
      static_cast<long long>(ResidentBytes()));
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    if (!Obey(line, &session)) std::printf("{\"error\": \"not a command\"}\n");
    std::fflush(stdout);
  }
  fairlane_engine_close(engine);
  return 0;
}

}  // namespace
}  // namespace fairlane::bench

int main(int argc, char** argv) {
  if (argc == 8) return fairlane::bench::Main(argv);
  std::fprintf(
      stderr,
      "usage: engine_bench MANIFEST PLUGIN_FOLDER ISA THREADS SEQUENCES TOKENS_PER_SEQUENCE "
      "KV_TYPE\n");
  return 2;
}
